// What GroupNorm's kernels share. In NHWC a group is a slice of every pixel, too narrow to be read by itself, so blocks
// take in many groups side by side: threads hold packs of neighbouring channels and go down the pixels.
#pragma once

#include <numeric>

#include "kernels/cuda/device/fast_math.cuh"
#include "kernels/cuda/sums.cuh"
#include "kernels/group_norm.h"

namespace imago::kernels::IMAGO_BACKEND {

// The numbers of N neighbouring channels, in registers.
template <typename A, int N>
struct Channels {
  A v[N];
};

template <int N, typename T>
__device__ __forceinline__ Channels<Accumulator<T>, N> load_channels(const T* p) {
  const Pack<T, N> pack = load_pack<N>(p);
  Channels<Accumulator<T>, N> channels;
  for (int k = 0; k < N; ++k) channels.v[k] = Accumulator<T>(pack.v[k]);
  return channels;
}

// Each channel's group's value; `values` (G) are those of one sample, spaced by `step`.
template <int N, typename A>
__device__ __forceinline__ Channels<A, N> load_groups(const A* values, int step, int64_t c, int per_group) {
  Channels<A, N> channels;
  int group = static_cast<int>(c) / per_group, within = static_cast<int>(c) - group * per_group;
  for (int k = 0; k < N; ++k) {
    channels.v[k] = values[group * step];
    if (++within == per_group) ++group, within = 0;
  }
  return channels;
}

inline constexpr int kSlabPacks = 64;

// A slab is a number of whole groups, at least 64 bytes of every pixel (two sectors) if there are that many, of which
// one block takes all pixels. No threads where groups are so large that it would be more than kSlabPacks wide.
template <typename T, typename Params>
ColumnPlan slab_plan(const Params& p, int width) {
  const int64_t unit = std::lcm(p.C / p.G, int64_t{width});
  const int64_t channels = std::min(p.C, unit * divide_up(int64_t{64} / int64_t{sizeof(T)}, unit));
  const int64_t across = channels / width;
  return across > kSlabPacks ? ColumnPlan{} : ColumnPlan{p.N, p.S, p.C, static_cast<int>(across),
                                                       kThreads / static_cast<int>(across), 1, p.S};
}

// One launch, if a block gets through its slab in little more time than three launches take; several that share out the
// pixels of each sample where it would not, and the many blocks of few large samples would idle.
template <typename Params>
bool takes_slabs(const Params& p, const ColumnPlan& slab, size_t pack_bytes) {
  if (!slab.across || p.kernel == GroupNormKernel::split) return false;
  constexpr int64_t kQuick = 1 << 16;  // bytes
  return p.kernel == GroupNormKernel::slab || p.S * slab.across * static_cast<int64_t>(pack_bytes) <= kQuick;
}

// At most this many parts of a sample: a single warp, or thread, adds them up.
inline constexpr int64_t kMostChunks = 128;

}  // namespace imago::kernels::IMAGO_BACKEND
