// What imago and diffusers save for each other, with tests/diffusers_peer.py on the other side. IMAGO_PYTHON names an
// interpreter that has torch and diffusers.
#include <cstdlib>

#include "autograd/no_grad.h"
#include "data/safetensors.h"
#include "diffusion/pipeline.h"
#include "diffusion/sampler.h"
#include "tests/golden.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kSteps = 4;

// Whether there is such an interpreter; a test without it says that it was skipped. Once is enough: on the CPU.
bool have_python() {
  if (default_device() != Device::cpu) return false;
  if (std::getenv("IMAGO_PYTHON")) return true;
  WARN("skipped: IMAGO_PYTHON is not set, so there is no Python with torch and diffusers to exchange models with");
  return false;
}

bool peer(const std::string& command, const fs::path& folder) {
  const fs::path script = fs::path(IMAGO_GOLDEN_DIR).parent_path() / "diffusers_peer.py";
  return std::system(concat("'", std::getenv("IMAGO_PYTHON"), "' '", script.string(), "' ", command, " '",
                            folder.string(), "'")
                         .c_str()) == 0;
}

Tensor nchw(const Tensor& t) { return nn::ohwi_to_oihw(t).to(Device::cpu); }

// Saves a pipeline of the model with an exchange of one forward pass and, if it can be, of sampling.
void add_case(const fs::path& folder, const std::string& name, const nn::UNet2D& unet, const Tensor& x, const Tensor& t,
              const Tensor& labels, bool sampled, nn::StateDict& exchange) {
  const NoGrad no_grad;
  const auto scheduler = diffusion::make_scheduler("DDIMScheduler");
  diffusion::save_pipeline(folder / name, unet, diffusion::to_json(*scheduler));
  exchange.emplace_back(name + "/x", nchw(x));
  exchange.emplace_back(name + "/t", t.to(Device::cpu));
  if (labels.defined()) exchange.emplace_back(name + "/class_labels", labels.to(Device::cpu));
  exchange.emplace_back(name + "/y", nchw(unet(x, t, labels).value()));
  if (!sampled) return;
  Tensor noise(x.shape());
  fill_normal(noise, {.seed = 5, .stream = kSampleStream});
  const auto model = [&](const Tensor& x_t, const Tensor& at) { return unet(x_t, at).value(); };
  const Tensor images = diffusion::sample(model, *scheduler, x.shape(), {.steps = kSteps, .seed = 5});
  exchange.emplace_back(name + "/noise", nchw(noise));
  exchange.emplace_back(name + "/images", nchw(images));
}

}  // namespace

TEST_CASE("diffusers loads what imago saved, and computes and samples the same", "[diffusers]") {
  if (!have_python()) return;
  const TemporaryFolder folder;
  const Golden golden("unet_options");
  nn::StateDict exchange;
  for (const auto& [name, json] : golden.metadata()) {
    const nn::UNet2DConfig config = nn::parse_unet2d_config(json);
    const Tensor x = golden.image(name + "/x", DType::f32), t = golden.load(name + "/t");
    const Tensor labels =
        golden.contains(name + "/class_labels") ? golden.load(name + "/class_labels") : Tensor();
    const bool sampled = config.time_embedding_type == "positional" && !config.has_classes() &&
                         config.in_channels == config.out_channels;
    add_case(folder.path(), name, nn::UNet2D(config, nn::Init::random(3)), x, t, labels, sampled, exchange);
  }
  data::save_safetensors(folder.path() / "exchange.safetensors", exchange);
  CHECK(peer("check", folder.path()));
}

TEST_CASE("imago loads what diffusers saved, and computes the same", "[diffusers]") {
  if (!have_python()) return;
  const TemporaryFolder folder;
  REQUIRE(peer("make", folder.path()));
  const auto exchange = data::SafetensorsFile::open(folder.path() / "exchange.safetensors");
  const auto image = [&](const std::string& name) { return nn::oihw_to_ohwi(exchange.load(name)); };
  const Tensor x = image("full/x"), t = exchange.load("full/t");
  const struct {
    const char *name, *variant, *expected;
  } cases[] = {{"nested", "", "full"},
               {"pickled", "", "full"},
               {"flat", "", "full"},
               {"sharded", "", "full"},
               {"sharded_pickled", "", "full"},
               {"variant", "fp16", "full"},
               {"sharded_variant", "fp16", "full"},
               {"half", "", "half"},
               {"bfloat", "", "bfloat"}};
  const NoGrad no_grad;
  for (const auto& [name, variant, expected] : cases) {
    CAPTURE(name);
    const nn::UNet2D unet = diffusion::load_unet(folder.path() / name, variant);
    CHECK(difference(unet(x, t).value(), image(std::string(expected) + "/y")) < 1e-5);
  }
}
