// The options of UNet2D one by one, against diffusers: cases of tests/golden/make_unet_options.py.
#include "nn/describe.h"
#include "tests/golden.h"

using namespace imago;
using namespace imago::test;
using nn::Init;
using nn::UNet2D;

namespace {

// As probes() in the script.
std::vector<double> probes(const Tensor& t) {
  constexpr size_t kProbes = 32;
  const Tensor in_file = t.rank() == 4 ? nn::ohwi_to_oihw(t) : t;
  const std::vector<double> all = in_file.to_vector<double>();
  if (all.size() <= 2 * kProbes) return all;
  std::vector<double> some;
  for (size_t i = 0; some.size() < kProbes; i += all.size() / kProbes) some.push_back(all[i]);
  return some;
}

// PyTorch's weights of seed 0, but those in the file.
UNet2D make_unet(const Golden& golden, const std::string& name, DType dtype) {
  const nn::UNet2DConfig config = nn::parse_unet2d_config(golden.metadata(name));
  nn::StateDict state = nn::state_dict(UNet2D(config, Init::torch(0)));
  const Tensor stored = golden.load(name + "/weights");
  int64_t used = 0;
  for (auto& [key, value] : state) {
    if (key.find("norm") == key.npos && key != "time_proj.weight" &&
        key != "class_embedding.weight")
      continue;
    value = stored.slice(used, used + value.numel()).reshape(value.shape());
    used += value.numel();
  }
  REQUIRE(used == stored.numel());
  UNet2D unet(config, Init::none(dtype));
  nn::load_state_dict(unet, state);
  return unet;
}

// `tolerance` is relative to the largest value; of gradients, in part to that of all of them, since
// some are zero but for rounding.
void check_against_diffusers(const Golden& golden, const std::string& name, DType dtype,
                             double tolerance) {
  CAPTURE(name, dtype);
  const auto real = [&](const Tensor& t) { return is_floating(t.dtype()) ? t.to(dtype) : t; };
  const auto image = [&](const char* key) { return golden.image(name + '/' + key, dtype); };
  const UNet2D unet = make_unet(golden, name, dtype);
  Tensor labels;
  if (golden.contains(name + "/class_labels")) labels = real(golden.load(name + "/class_labels"));
  const Variable x(image("x"), true);
  const Variable y = unet(x, real(golden.load(name + "/t")), labels);
  CHECK(largest_gap(y.value(), image("y")) <= tolerance * std::max(1.0, largest(image("y"))));
  y.backward(image("dy"));
  CHECK(largest_gap(x.grad(), image("dx")) <= 10 * tolerance * largest(image("dx")));

  const Tensor gradients = golden.load(name + "/gradients");
  const std::vector<double> expected = gradients.to_vector<double>();
  size_t used = 0;
  for (const auto& [key, parameter] : nn::named_parameters(unet)) {
    if (!parameter.requires_grad()) continue;
    CAPTURE(key);
    const std::vector<double> ours = probes(parameter.grad());
    REQUIRE(used + ours.size() <= expected.size());
    double gap = 0, scale = 1e-2 * largest(gradients);
    for (const double value : ours) {
      scale = std::max(scale, std::abs(expected[used]));
      gap = std::isnan(value) ? INFINITY : std::max(gap, std::abs(value - expected[used]));
      ++used;
    }
    CHECK(gap <= 10 * tolerance * scale);
  }
  CHECK(used == expected.size());
}

}  // namespace

TEST_CASE("UNet2D computes what diffusers computes, option by option", "[unet2d][golden]") {
  const Golden golden("unet_options");
  CHECK(golden.metadata().size() >= 20);
  for (const auto& [name, config] : golden.metadata()) {
    check_against_diffusers(golden, name, DType::f64, 1e-6);
    check_against_diffusers(golden, name, DType::f32, 1e-5);
  }
}

TEST_CASE("a UNet2D's operations are as many as PyTorch counts", "[unet2d][golden]") {
  const Golden golden("unet_options");
  for (const auto& [name, json] : golden.metadata()) {
    CAPTURE(name);
    const UNet2D unet(nn::parse_unet2d_config(json), Init::none());
    const Shape x = golden.load(name + "/x").shape();  // (N, C, H, W)
    const nn::Description size = nn::describe(unet, {x[2], x[3]});
    CHECK(size.parameters == nn::parameter_count(unet));
    const auto counted = static_cast<int64_t>(golden.load(name + "/flops").item());
    if (json.find("Skip") == json.npos)
      CHECK(size.flops_per_image * x[0] == counted);
    else  // the filters of these blocks are convolutions there
      CHECK(size.flops_per_image * x[0] < counted);
  }
  const UNet2D unet(nn::parse_unet2d_config(golden.metadata("padding")), Init::none());
  CHECK_THROWS_WITH(nn::describe(unet, {4, 5}),
                    "describe: height and width must be multiples of 2, got 4 x 5");
}
