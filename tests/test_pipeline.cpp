#include <filesystem>
#include <fstream>
#include <set>

#include "autograd/no_grad.h"
#include "data/atomic_file.h"
#include "data/input_file.h"
#include "data/pixels.h"
#include "data/safetensors.h"
#include "diffusion/pipeline.h"
#include "diffusion/sampler.h"
#include "nn/state_dict.h"
#include "tests/golden.h"
#include "tests/temporary_folder.h"

using namespace imago;
using namespace imago::test;
using diffusion::load_unet;
using diffusion::save_pipeline;
namespace fs = std::filesystem;

namespace {

constexpr const char* kScheduler = "{\n  \"_class_name\": \"DDPMScheduler\"\n}\n";

nn::UNet2D small_unet(const nn::Init& init) {
  const nn::UNet2DConfig config = {
      .down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
      .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
      .block_out_channels = {4, 8},
      .layers_per_block = 1,
      .norm_num_groups = 4,
  };
  return nn::UNet2D(config, init);
}

nn::UNet2D small_unet(uint64_t seed) { return small_unet(nn::Init::random(seed)); }

// Weights of PyTorch's seed 0, noise of another.
Tensor torch_sample(diffusion::Scheduler& scheduler, int64_t n, const diffusion::SampleOptions& options) {
  const nn::UNet2D unet = small_unet(nn::Init::torch(0));
  const auto model = [&](const Tensor& x, const Tensor& t) { return unet(x, t).value(); };
  return diffusion::sample(model, scheduler, {n, 8, 8, 3}, options);
}

double output_gap(const nn::UNet2D& a, const nn::UNet2D& b) {
  const NoGrad no_grad;
  const Variable x = randn({1, 8, 8, 3}, DType::f32);
  const Tensor t = Tensor::from<int64_t>({7}, {});
  return largest_gap(a(x, t).value(), b(x, t).value());
}

const std::string kShards[] = {"diffusion_pytorch_model-00001-of-00002.safetensors",
                               "diffusion_pytorch_model-00002-of-00002.safetensors"};

// Two files and their index, of which a variant's name is a part.
void save_in_shards(const fs::path& folder, const nn::StateDict& state,
                    const std::string (&shards)[2] = kShards, const std::string& variant = "") {
  const auto middle = state.begin() + 20;
  data::save_safetensors(folder / shards[0], {state.begin(), middle});
  data::save_safetensors(folder / shards[1], {middle, state.end()});
  std::string map;
  for (auto at = state.begin(); at != state.end(); ++at)
    map += (map.empty() ? "\"" : ", \"") + at->first + "\": \"" + shards[at < middle ? 0 : 1] + '"';
  data::write_file(folder / concat("diffusion_pytorch_model.safetensors.index", variant, ".json"),
                   R"({"metadata": {"total_size": 1}, "weight_map": {)" + map + "}}");
}

std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), folder).string());
  return names;
}

}  // namespace

TEST_CASE("a pipeline survives its folder", "[pipeline]") {
  const TemporaryFolder folder;
  const nn::UNet2D unet = small_unet(1);
  save_pipeline(folder.path(), unet, kScheduler);
  CHECK(files_in(folder.path()) ==
        std::set<std::string>{"model_index.json", "scheduler/scheduler_config.json",
                              "unet/config.json", "unet/diffusion_pytorch_model.safetensors"});
  const nn::UNet2D loaded = load_unet(folder.path());
  CHECK(loaded.config() == unet.config());
  CHECK(output_gap(loaded, unet) == 0);
  CHECK(output_gap(load_unet(folder.path() / "unet"), unet) == 0);
  CHECK(diffusion::load_scheduler_config(folder.path()) == kScheduler);
}

TEST_CASE("a pipeline's model_index.json is as diffusers writes it", "[pipeline]") {
  const TemporaryFolder folder;
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  std::ifstream file(folder.path() / "model_index.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  CHECK(text == R"({
  "_class_name": "DDPMPipeline",
  "_diffusers_version": "0.30.0",
  "scheduler": [
    "diffusers",
    "DDPMScheduler"
  ],
  "unet": [
    "diffusers",
    "UNet2DModel"
  ]
}
)");
}

TEST_CASE("a pipeline's scheduler is of the class that model_index.json says", "[pipeline]") {
  const TemporaryFolder folder;
  const fs::path index = folder.path() / "model_index.json", config = folder.path() / "scheduler/scheduler_config.json";
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  const auto loaded = [&](const std::string& scheduler, const std::string& text) {
    data::write_file(index, R"({"_class_name": "DDPMPipeline", "scheduler": )" + scheduler + "}");
    data::write_file(config, text);
    return diffusion::load_scheduler_config(folder.path());
  };
  const std::string ddim = R"(["diffusers", "DDIMScheduler"])";
  CHECK(loaded(ddim, R"({"beta_end": 0.5})") == "{\n  \"_class_name\": \"DDIMScheduler\",\n  \"beta_end\": 0.5\n}\n");
  CHECK(loaded(ddim, kScheduler) == "{\n  \"_class_name\": \"DDIMScheduler\"\n}\n");
  CHECK(loaded("[null, null]", R"({"_class_name": "PNDMScheduler"})") == R"({"_class_name": "PNDMScheduler"})");
  CHECK(loaded("[null, null]", "{}") == kScheduler);
  CHECK_THROWS_WITH(loaded(ddim, R"({"_class_name": 3})"), Contains("_class_name has the wrong type, got 3"));

  // What is saved is of its class, wherever in the text that stands.
  save_pipeline(folder.path(), small_unet(1), R"({"note": "\"_class_name\": \"X\"", "_class_name": "DDIMScheduler"})");
  CHECK_THAT(data::read_file(index), Contains("DDIMPipeline") && Contains("DDIMScheduler"));
  CHECK(diffusion::has_scheduler(folder.path()));
  CHECK_FALSE(diffusion::has_scheduler(folder.path() / "unet"));
}

TEST_CASE("a pipeline may be flat and in shards", "[pipeline]") {
  const TemporaryFolder nested, flat;
  const nn::UNet2D unet = small_unet(1);
  save_pipeline(nested.path(), unet, kScheduler);
  for (const char* file :
       {"model_index.json", "unet/config.json", "scheduler/scheduler_config.json"})
    fs::copy(nested.path() / file, flat.path());
  save_in_shards(flat.path(), nn::state_dict(unet));
  CHECK(output_gap(load_unet(flat.path()), unet) == 0);
  CHECK(diffusion::load_scheduler_config(flat.path()) == kScheduler);
}

TEST_CASE("a variant of the weights is read if it is asked for", "[pipeline]") {
  const TemporaryFolder folder;
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  const fs::path weights = folder.path() / "unet/diffusion_pytorch_model.fp16";
  nn::StateDict state = nn::state_dict(small_unet(2));
  data::save_safetensors(weights.string() + ".safetensors", state);
  CHECK(output_gap(load_unet(folder.path()), small_unet(1)) == 0);
  CHECK(output_gap(load_unet(folder.path(), "fp16"), small_unet(2)) == 0);

  // In shards, with the variant before the numbers or behind them.
  const std::string shards[] = {"diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                                "diffusion_pytorch_model-00002-of-00002.fp16.safetensors"};
  state = nn::state_dict(small_unet(3));
  save_in_shards(folder.path() / "unet", state, shards, ".fp16");
  CHECK(output_gap(load_unet(folder.path(), "fp16"), small_unet(3)) == 0);
  CHECK(output_gap(load_unet(folder.path()), small_unet(1)) == 0);
}

TEST_CASE("shards must have what their index says", "[pipeline][errors]") {
  const TemporaryFolder folder;
  const fs::path unet = folder.path() / "unet";
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  const nn::StateDict state = nn::state_dict(small_unet(1));
  save_in_shards(unet, state);
  const std::string second = (unet / kShards[1]).string();
  data::save_safetensors(second, {state.begin() + 21, state.end()});
  CHECK_THROWS_WITH(
      load_unet(folder.path()),
      "pipeline: " + second + " does not have the tensors that its index says it has");
  data::save_safetensors(second, {state.begin() + 19, state.end()});
  CHECK_THROWS_WITH(load_unet(folder.path()), Contains("does not have the tensors"));
  fs::remove(second);
  CHECK_THROWS_WITH(load_unet(folder.path()), Contains("cannot read " + second));
}

TEST_CASE("weights that do not fit the config are all named", "[pipeline][errors]") {
  const TemporaryFolder folder;
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  nn::StateDict state = nn::state_dict(small_unet(1));
  state[0].second = Tensor({4, 3, 1, 1});
  state[3].first = "time_embedding.bias";
  data::save_safetensors(folder.path() / "unet/diffusion_pytorch_model.safetensors", state);
  CHECK_THROWS_WITH(load_unet(folder.path()),
                    "load_state_dict: missing: time_embedding.linear_1.bias; unexpected: "
                    "time_embedding.bias; conv_in.weight must be (4, 3, 3, 3), got (4, 3, 1, 1)");
}

TEST_CASE("a saved pipeline replaces the shards of the one before it", "[pipeline]") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "unet");
  save_in_shards(folder.path() / "unet", nn::state_dict(small_unet(1)));
  save_pipeline(folder.path(), small_unet(2), kScheduler);
  CHECK(output_gap(load_unet(folder.path()), small_unet(2)) == 0);
  CHECK(files_in(folder.path() / "unet") ==
        std::set<std::string>{"config.json", "diffusion_pytorch_model.safetensors"});
}

// The numbers stand in tests/pipelines/ddpm/test_ddpm.py of diffusers: weights of seed 0, noise of
// seed 0, two steps; the last 3 x 3 pixels of the last channel.
TEST_CASE("sampling from PyTorch's seeds gives the image of diffusers' own test",
          "[pipeline][golden]") {
  const double expected[] = {0.0, 0.9996672, 0.00329116, 1.0, 0.9995991,
                             1.0, 0.0060907, 0.00115037, 0.0};
  const auto scheduler = diffusion::make_scheduler("DDPMScheduler");
  const Tensor x = torch_sample(*scheduler, 1, {.steps = 2, .torch_seed = 0});
  const std::vector<float> values = x.to_vector<float>();
  for (size_t i = 0; i < 9; ++i) {
    const size_t row = 5 + i / 3, column = 5 + i % 3;
    const double pixel = std::clamp(values[(row * 8 + column) * 3 + 2] / 2 + 0.5, 0.0, 1.0);
    CHECK(pixel == Approx(expected[i]).margin(2e-6));
  }
}

TEST_CASE("sampling from PyTorch's seeds gives the images of Python's pipelines", "[pipeline][golden]") {
  const Golden golden("pipelines");
  const auto check = [&](const std::string& name, const char* scheduler_class, double eta) {
    CAPTURE(name);
    const auto scheduler = diffusion::make_scheduler(scheduler_class);
    const Tensor x = torch_sample(*scheduler, 3, {.steps = 6, .eta = eta, .torch_seed = 7});
    const std::vector<int64_t> pixels = data::to_bytes(x, data::PixelRange::symmetric).to_vector<int64_t>(),
                               expected = golden.load(name + "/uint8").to_vector<int64_t>();
    REQUIRE(pixels.size() == expected.size());
    size_t off = 0;
    for (size_t i = 0; i < pixels.size(); ++i) {
      CHECK(std::abs(pixels[i] - expected[i]) <= 1);
      off += pixels[i] != expected[i];
    }
    CHECK(off <= 1);  // of 576: where a value lies half way between two
    // Euler's x_0 is x - sigma epsilon, and at first sigma is 157: there a float's last digit is 1e-5.
    const std::vector<double> values = x.to_vector<double>(), image = golden.load(name + "/image").to_vector<double>();
    for (size_t i = 0; i < values.size(); ++i)
      CHECK(std::clamp(values[i] / 2 + 0.5, 0.0, 1.0) == Approx(image[i]).margin(1e-4));
  };
  for (const char* name : {"DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler",
                           "EulerAncestralDiscreteScheduler"})
    check(name, name, 0);
  check("DDIMScheduler/eta", "DDIMScheduler", 1);
}

TEST_CASE("a folder that is no pipeline of a UNet2D says why", "[pipeline][errors]") {
  const TemporaryFolder folder;
  const std::string unet = (folder.path() / "unet").string(),
                    index = (folder.path() / "model_index.json").string();
  CHECK_THROWS_WITH(load_unet(folder.path() / "nothing"), Contains("nothing is not a folder"));
  CHECK_THROWS_WITH(load_unet(folder.path()),
                    "pipeline: cannot read " + (folder.path() / "config.json").string());
  save_pipeline(folder.path(), small_unet(1), kScheduler);
  const fs::path weights = folder.path() / "unet/diffusion_pytorch_model.safetensors";

  fs::rename(weights, folder.path() / "unet/diffusion_pytorch_model.fp16.safetensors");
  CHECK_THROWS_WITH(load_unet(folder.path()),
                    "pipeline: " + unet +
                        " has no diffusion_pytorch_model.safetensors; it has "
                        "diffusion_pytorch_model.fp16.safetensors");
  fs::remove(folder.path() / "unet/diffusion_pytorch_model.fp16.safetensors");
  CHECK_THROWS_WITH(load_unet(folder.path(), "bf16"),
                    "pipeline: " + unet + " has no diffusion_pytorch_model.bf16.safetensors");
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\n";
  data::write_file(folder.path() / "unet/diffusion_pytorch_model.bin", pointer);
  CHECK_THROWS_WITH(load_unet(folder.path()), Contains("it is a Git LFS pointer"));
  data::write_file(weights, pointer);
  CHECK_THROWS_WITH(load_unet(folder.path()), Contains("it is a Git LFS pointer"));

  data::write_file(index, R"({"_class_name": "StableDiffusionPipeline"})");
  CHECK_THROWS_WITH(
      load_unet(folder.path()),
      "pipeline: " + index +
          " must be of a DDPMPipeline or DDIMPipeline, got \"StableDiffusionPipeline\"");
  data::write_file(index, R"({"_class_name": "DDPMPipeline", "unet": ["diffusers", "VQModel"]})");
  CHECK_THROWS_WITH(
      load_unet(folder.path()),
      "pipeline: the unet of " + index + " must be a UNet2DModel, got [\"diffusers\",\"VQModel\"]");
  CHECK_THROWS_WITH(save_pipeline(folder.path(), small_unet(1), "{}"),
                    "pipeline: the scheduler's config must have a _class_name");
}
