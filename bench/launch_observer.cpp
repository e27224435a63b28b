#include "bench/launch_observer.h"

#include "core/check.h"
#include "kernels/backend.h"

namespace imago::bench {
namespace {

// The functions of a table have nowhere else to look.
const kernels::Backend* inner = nullptr;
OnLaunch on_launch;

template <typename P>
void observe(const char* launcher, void (*launch)(const P&, Stream), const P& p, Stream stream) {
  on_launch(
      {.launcher = launcher, .type = typeid(P*), .params = &p, .work = [&] { return work_of(p); }},
      [&] { launch(p, stream); });
}

const kernels::Backend kObserved{
    .name = "observed",
#define LAUNCHER(name, Params) \
  .name = [](const kernels::Params& p, Stream stream) { observe(#name, inner->name, p, stream); },
#include "kernels/launchers.def"
#undef LAUNCHER
};

}  // namespace

LaunchObserver::LaunchObserver(Device device, OnLaunch observer)
    : device_(device), before_(kernels::backend_for(device)) {
  IMAGO_CHECK(!inner, "LaunchObserver: there must be only one at a time");
  inner = &before_;
  on_launch = std::move(observer);
  kernels::register_backend(device, kObserved);
}

LaunchObserver::~LaunchObserver() {
  kernels::register_backend(device_, before_);
  inner = nullptr;
  on_launch = nullptr;
}

}  // namespace imago::bench
