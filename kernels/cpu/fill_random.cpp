// The host's own loops: they are compiled without contraction of a * b + c, unlike what is here, and vectorise.
#include "kernels/fill_random.h"

#include "kernels/cpu/isa.h"

namespace imago::kernels::IMAGO_BACKEND {

void fill_random(const FillRandom& p, Stream) { fill_on_host(p.fill); }

}  // namespace imago::kernels::IMAGO_BACKEND
