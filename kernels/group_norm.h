// Group normalisation, Wu & He 2018 (arXiv:1803.08494), with an optional SiLU behind it.
#pragma once

#include <bitset>

#include "core/tensor.h"
#include "kernels/options.h"

namespace imago::kernels {

// Which of a GPU's kernels computes it (docs/kernels/group_norm.md): the best for the shape, or one by name, for
// comparison. The CPU has one only. There is no naive backward: the best takes its place.
enum class GroupNormKernel : uint8_t { automatic, naive, slab, split };

// S is the number of spatial positions, G the number of groups. Statistics have the accumulator's type.
struct GroupNormForward {
  const void *x, *weight, *bias;  // (N, S, C)  (C)  (C)
  void *y, *mean, *rstd;          // (N, S, C)  (N, G)  (N, G); the last two are kept for backward
  int64_t N, S, C, G;
  double eps;
  Activation activation;
  GroupNormKernel kernel;
  DType dtype;
};

struct GroupNormBackward {
  const void *dy, *x, *weight, *bias, *mean, *rstd;  // (N, S, C)  (N, S, C)  (C)  (C)  (N, G)  (N, G)
  // (N, S, C)  (C)  (C), the last two of the accumulator's type; null where not wanted
  void *dx, *dweight, *dbias;
  int64_t N, S, C, G;
  Activation activation;
  GroupNormKernel kernel;
  DType dtype;
};

struct GroupNormResult {
  Tensor y, mean, rstd;
};
struct GroupNormGrads {
  Tensor dx, dweight, dbias;
};

// y = activation(xhat * weight + bias), xhat = (x - mean) * rstd, with mean and rstd = 1/sqrt(var + eps) taken over all
// positions and channels of each group. x is (N, ..., C) of rank 2 to 6; weight, bias (C). Throws on other shapes, and
// where C does not split into groups.
GroupNormResult group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const GroupNormOptions& options,
                           GroupNormKernel kernel = GroupNormKernel::automatic);

// `want` bit 0, 1, 2: dx, dweight, dbias. Gradients not wanted come back undefined. The activation's input is computed
// again from x, so only x and the statistics have to be kept. dweight and dbias are f32 where the rest is bf16: being
// sums over all pixels, they are to be added to others.
GroupNormGrads group_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                   const Tensor& mean, const Tensor& rstd, Activation activation, std::bitset<32> want,
                                   GroupNormKernel kernel = GroupNormKernel::automatic);

}  // namespace imago::kernels
