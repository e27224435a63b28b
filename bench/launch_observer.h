// Stands between the fronts and a device's table of launchers and is told of every launch: to time
// it, to note its shape, or to drop it.
#pragma once

#include <functional>
#include <typeindex>

#include "bench/work.h"

namespace imago::bench {

struct Launch {
  const char* launcher;  // its name in kernels/launchers.def
  std::type_index type;  // of a pointer to its params
  const void* params;
  std::function<Work()> work;

  // The params, if they are of this kind; else null.
  template <typename P>
  const P* as() const {
    return type == typeid(P*) ? static_cast<const P*>(params) : nullptr;
  }
};

// Calls its second argument to have the launch done; a launch that nobody does leaves its outputs
// as they were.
using OnLaunch = std::function<void(const Launch&, const std::function<void()>&)>;

// At work while it lives; one at a time.
class LaunchObserver {
 public:
  LaunchObserver(Device device, OnLaunch on_launch);
  ~LaunchObserver();
  LaunchObserver(const LaunchObserver&) = delete;
  LaunchObserver& operator=(const LaunchObserver&) = delete;

 private:
  Device device_;
  const kernels::Backend& before_;
};

}  // namespace imago::bench
