// Depthwise convolution: every channel has its own kernel and sees no other.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {
namespace conv2d {

inline bool is_depthwise(const Conv2dShape& s) { return s.groups == s.C && s.O == s.C; }

template <typename T>
void depthwise_forward(const Conv2dForward& p);
template <typename T>
void depthwise_backward_input(const Conv2dBackwardInput& p);
template <typename T>
void depthwise_backward_weight(const Conv2dBackwardWeight& p);

}  // namespace conv2d
}  // namespace imago::kernels::IMAGO_BACKEND
