// Every operation against PyTorch, in value and gradients: tests/golden/make_ops.py made the file
// and names the cases.
#include "data/safetensors.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

using Variables = std::vector<Variable>;

struct Golden {
  const char* name;
  Function f;
};

const std::vector<Golden>& matrix_products() {
  static const std::vector<Golden> cases = {
      {"linear", [](const Variables& v) { return linear(v[0], v[1], v[2]); }},
      {"linear_no_bias", [](const Variables& v) { return linear(v[0], v[1]); }},
      {"matmul", [](const Variables& v) { return matmul(v[0], v[1]); }},
      {"matmul_shared",
       [](const Variables& v) {
         return matmul(v[0], v[1], {.transpose_a = true, .transpose_b = true});
       }},
      {"softmax", [](const Variables& v) { return softmax(v[0]); }},
      {"attention", [](const Variables& v) { return attention(v[0], v[1], v[2], 3); }},
      {"attention_one_head", [](const Variables& v) { return attention(v[0], v[1], v[2], 1); }},
      {"embedding", [](const Variables& v) { return embedding(v[1].value(), v[0]); }},
  };
  return cases;
}

const std::vector<Golden>& convolutions() {
  static const std::vector<Golden> cases = {
      {"conv2d", [](const Variables& v) { return conv2d(v[0], v[1], {}, {.bias = v[2]}); }},
      {"conv2d_same",
       [](const Variables& v) { return conv2d(v[0], v[1], {.padding = 1}, {.bias = v[2]}); }},
      {"conv2d_strided",
       [](const Variables& v) {
         return conv2d(v[0], v[1], {.stride = 2, .padding = {0, 1, 0, 1}});
       }},
      {"conv2d_groups",
       [](const Variables& v) {
         return conv2d(v[0], v[1], {.padding = {2, 1, 0, 3}, .groups = 3});
       }},
      {"conv2d_depthwise",
       [](const Variables& v) { return conv2d(v[0], v[1], {.padding = 1, .groups = 5}); }},
      {"conv2d_1x1", [](const Variables& v) { return conv2d(v[0], v[1], {}, {.bias = v[2]}); }},
      {"conv2d_epilogue",
       [](const Variables& v) {
         return conv2d(v[0], v[1], {.padding = 1},
                       {.bias = v[2], .channel_bias = v[3], .residual = v[4]});
       }},
  };
  return cases;
}

const std::vector<Golden>& norms() {
  static const std::vector<Golden> cases = {
      {"group_norm",
       [](const Variables& v) { return group_norm(v[0], v[1], v[2], {.groups = 3}); }},
      {"group_norm_silu",
       [](const Variables& v) {
         return group_norm(v[0], v[1], v[2],
                           {.groups = 1, .eps = 1e-3, .activation = Activation::silu});
       }},
      {"layer_norm", [](const Variables& v) { return layer_norm(v[0], v[1], v[2]); }},
  };
  return cases;
}

const std::vector<Golden>& elements() {
  static const int outer[] = {0, 2}, last[] = {-1};
  static const std::vector<Golden> cases = {
      {"silu", [](const Variables& v) { return silu(v[0]); }},
      {"gelu", [](const Variables& v) { return gelu(v[0]); }},
      {"relu", [](const Variables& v) { return relu(v[0]); }},
      {"sigmoid", [](const Variables& v) { return sigmoid(v[0]); }},
      {"tanh", [](const Variables& v) { return tanh(v[0]); }},
      {"mish", [](const Variables& v) { return mish(v[0]); }},
      {"exp", [](const Variables& v) { return exp(v[0]); }},
      {"sqrt", [](const Variables& v) { return sqrt(v[0]); }},
      {"add", [](const Variables& v) { return v[0] + v[1]; }},
      {"sub", [](const Variables& v) { return v[0] - v[1]; }},
      {"mul", [](const Variables& v) { return v[0] * v[1]; }},
      {"div", [](const Variables& v) { return v[0] / v[1]; }},
      {"sum_axes", [](const Variables& v) { return sum(v[0], outer); }},
      {"mean_axes", [](const Variables& v) { return mean(v[0], last, true); }},
      {"mse_loss", [](const Variables& v) { return mse_loss(v[0], v[1].value()); }},
      {"mse_loss_weighted",
       [](const Variables& v) { return mse_loss(v[0], v[1].value(), v[2].value()); }},
      {"l1_loss", [](const Variables& v) { return l1_loss(v[0], v[1].value()); }},
      {"l1_loss_weighted",
       [](const Variables& v) { return l1_loss(v[0], v[1].value(), v[2].value()); }},
      {"huber_loss", [](const Variables& v) { return huber_loss(v[0], v[1].value(), 0.7); }},
      {"huber_loss_weighted",
       [](const Variables& v) { return huber_loss(v[0], v[1].value(), 0.7, v[2].value()); }},
  };
  return cases;
}

const std::vector<Golden>& images() {
  static const std::vector<Golden> cases = {
      {"upsample_nearest", [](const Variables& v) { return upsample_nearest(v[0]); }},
      {"avg_pool2d", [](const Variables& v) { return avg_pool2d(v[0], 2, 2); }},
      {"avg_pool2d_overlapping", [](const Variables& v) { return avg_pool2d(v[0], 3, 2); }},
      {"max_pool2d", [](const Variables& v) { return max_pool2d(v[0], 2, 2); }},
      {"max_pool2d_overlapping", [](const Variables& v) { return max_pool2d(v[0], 3, 2); }},
      {"pixel_unshuffle", [](const Variables& v) { return pixel_unshuffle(v[0], 2); }},
      {"pixel_shuffle", [](const Variables& v) { return pixel_shuffle(v[0], 3); }},
      {"pad",
       [](const Variables& v) {
         return pad(v[0], {1, 2, 3, 0});
       }},
      {"reshape",
       [](const Variables& v) {
         return reshape(v[0], {6, -1});
       }},
      {"permute",
       [](const Variables& v) {
         return permute(v[0], {2, 0, 3, 1});
       }},
      {"concat",
       [](const Variables& v) {
         return concat({v[0], v[1]});
       }},
      {"slice_channels", [](const Variables& v) { return slice_channels(v[0], 2, 5); }},
  };
  return cases;
}

const data::SafetensorsFile& golden() {
  static const auto file = data::SafetensorsFile::open(IMAGO_GOLDEN_DIR "/ops.safetensors");
  return file;
}

std::string numbered(const Golden& golden_case, char kind, size_t i) {
  return std::string(golden_case.name) + "." + (kind == 'd' ? "d" : "in") + std::to_string(i);
}

// Runs one case in one type. The file holds floats, so that agreement is 1e-7 at best.
void check(const Golden& golden_case, DType dtype) {
  CAPTURE(golden_case.name, dtype);
  const double close = dtype == DType::f64 ? 1e-6 : tolerance(dtype);
  const std::string name = golden_case.name;
  Variables inputs;
  for (size_t i = 0; golden().contains(numbered(golden_case, 'i', i)); ++i) {
    const Tensor x = golden().load(numbered(golden_case, 'i', i));
    const bool wants_grad = golden().contains(numbered(golden_case, 'd', i));
    inputs.emplace_back(is_floating(x.dtype()) ? x.to(dtype) : x, wants_grad);
  }
  const Variable y = golden_case.f(inputs);
  CHECK(difference(y.value(), golden().load(name + ".y")) < close);
  y.backward(golden().load(name + ".dy").to(dtype));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    CAPTURE(i);
    CHECK(difference(inputs[i].grad(), golden().load(numbered(golden_case, 'd', i))) < close);
  }
}

void check(const std::vector<Golden>& cases) {
  for (const Golden& golden_case : cases)
    for (const DType dtype : {DType::f32, DType::f64}) check(golden_case, dtype);
}

}  // namespace

TEST_CASE("matrix products agree with PyTorch", "[golden]") { check(matrix_products()); }
TEST_CASE("convolutions agree with PyTorch", "[golden]") { check(convolutions()); }
TEST_CASE("norms agree with PyTorch", "[golden]") { check(norms()); }
TEST_CASE("element-wise operations, sums and losses agree with PyTorch", "[golden]") {
  check(elements());
}
TEST_CASE("image operations and arrangements agree with PyTorch", "[golden]") { check(images()); }

TEST_CASE("every golden case is tested", "[golden]") {
  size_t in_file = 0, tested = 0;
  for (const std::string& name : golden().names()) in_file += name.ends_with(".y");
  for (const auto* cases : {&matrix_products(), &convolutions(), &norms(), &elements(), &images()})
    tested += cases->size();
  CHECK(tested == in_file);
}
