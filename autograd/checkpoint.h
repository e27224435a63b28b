// Trading time for memory: what the forward pass computed is not kept for backward, but computed again.
#pragma once

#include "autograd/variable.h"

namespace imago {

// f(inputs), of which only the inputs are kept: backward runs f a second time and goes through what that leaves (Chen
// et al. 2016, arXiv:1604.06174). f must do the same both times, and what it refers to (parameters, say) must be there,
// and be what it was, until then; `again`, if given, is called instead of f the second time. Gradients are the same
// bits as without. f may itself call checkpoint().
Variable checkpoint(const Function& f, const std::vector<Variable>& inputs, const Function& again = nullptr);

// f(inputs), whose history is recorded as usual but whose value is not kept: an operation that would keep it for
// backward calls f, or `again`, once more. For what is quick to compute and large, a normalisation or an activation in
// front of a convolution. The same gradients, and the same conditions on f.
Variable recomputed(const Function& f, const std::vector<Variable>& inputs, const Function& again = nullptr);

}  // namespace imago
