// Golden data: what PyTorch and diffusers computed, made by the scripts in tests/golden.
#pragma once

#include <string>

#include "data/safetensors.h"
#include "nn/conv_layout.h"
#include "nn/state_dict.h"
#include "tests/support.h"

namespace imago::test {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : file_(data::SafetensorsFile::open(std::string(IMAGO_GOLDEN_DIR) + '/' + name +
                                          ".safetensors")) {}

  bool contains(const std::string& name) const { return file_.contains(name); }
  std::string metadata(const std::string& key) const { return file_.metadata().at(key); }
  const std::map<std::string, std::string>& metadata() const { return file_.metadata(); }
  Tensor load(const std::string& name) const { return file_.load(name).to(default_device()); }
  // Stored as (N, C, H, W); images and convolution weights alike.
  Tensor image(const std::string& name, DType dtype) const {
    return nn::oihw_to_ohwi(load(name)).to(dtype);
  }
  // In the layout of a module's parameter.
  Tensor parameter(const std::string& name) const {
    const Tensor t = load(name);
    return t.rank() == 4 ? nn::oihw_to_ohwi(t) : t;
  }
  // The tensors called prefix + NAME, as NAME.
  nn::StateDict state(const std::string& prefix) const {
    nn::StateDict state;
    for (const std::string& name : file_.names())
      if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), load(name));
    return state;
  }

 private:
  data::SafetensorsFile file_;
};

// max |a - b|, and max |b|
inline double largest_gap(const Tensor& a, const Tensor& b) {
  IMAGO_CHECK(a.shape() == b.shape(), "largest_gap: ", a.shape(), " against ", b.shape());
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double gap = 0;
  for (size_t i = 0; i < x.size(); ++i)
    gap = std::isnan(x[i]) ? INFINITY : std::max(gap, std::abs(x[i] - y[i]));
  return gap;
}
inline double largest(const Tensor& a) { return largest_gap(a, Tensor::zeros_like(a)); }

}  // namespace imago::test
