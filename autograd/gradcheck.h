// Are the gradients right? Compares backward with central differences along random directions.
#pragma once

#include "autograd/variable.h"

namespace imago {

// The largest relative gap, over all inputs, between <dy, J d> by central differences and <J^T dy, d> by backward, for
// random dy and d: two evaluations per input instead of a Jacobian. Inputs must be f64; integer inputs are closed over
// by f. A correct f gives about 1e-9. Throws if f is not deterministic.
double gradient_error(const Function& f, const std::vector<Tensor>& inputs, double h = 1e-6);

}  // namespace imago
