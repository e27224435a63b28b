// All schedulers by name.
#include "core/check.h"
#include "diffusion/ddim.h"
#include "diffusion/ddpm.h"
#include "diffusion/dpm_solver.h"
#include "diffusion/edm_schedulers.h"
#include "diffusion/euler.h"
#include "diffusion/euler_ancestral.h"
#include "diffusion/flow_match.h"
#include "diffusion/heun.h"
#include "diffusion/pndm.h"

namespace imago::diffusion {
namespace {

template <typename S>
std::unique_ptr<Scheduler> make(const SchedulerConfig& config) {
  return std::make_unique<S>(config);
}

struct SchedulerClass {
  const char *name, *sampler;  // the sampler's name where any model of DDPM's can be sampled with it
  std::unique_ptr<Scheduler> (*make)(const SchedulerConfig&);
};

constexpr SchedulerClass kClasses[] = {
    {"DDPMScheduler", "ddpm", make<DDPMScheduler>},
    {"DDIMScheduler", "ddim", make<DDIMScheduler>},
    {"DPMSolverMultistepScheduler", "dpmsolver++", make<DPMSolverMultistepScheduler>},
    {"EulerDiscreteScheduler", "euler", make<EulerDiscreteScheduler>},
    {"EulerAncestralDiscreteScheduler", "euler_a", make<EulerAncestralDiscreteScheduler>},
    {"HeunDiscreteScheduler", "heun", make<HeunDiscreteScheduler>},
    {"PNDMScheduler", "pndm", make<PNDMScheduler>},
    {"EDMEulerScheduler", nullptr, make<EDMEulerScheduler>},
    {"EDMDPMSolverMultistepScheduler", nullptr, make<EDMDPMSolverMultistepScheduler>},
    {"FlowMatchEulerDiscreteScheduler", nullptr, make<FlowMatchEulerDiscreteScheduler>},
};

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name, const SchedulerConfig& config) {
  std::string known;
  for (const SchedulerClass& each : kClasses) {
    if (class_name == each.name) return each.make(config);
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail("scheduler: class must be one of ", known, ", got ", class_name);
}

std::unique_ptr<Scheduler> make_scheduler(std::string_view class_name) {
  return make_scheduler(class_name, default_config(class_name));
}

std::unique_ptr<Scheduler> scheduler_from_json(std::string_view json, std::string_view class_name) {
  const NamedSchedulerConfig named = parse_scheduler_config(json, class_name);
  return make_scheduler(named.class_name, named.config);
}

std::string to_json(const Scheduler& scheduler) {
  return to_json(NamedSchedulerConfig{scheduler.class_name(), scheduler.config()});
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const SchedulerClass& each : kClasses)
    if (each.sampler) names.push_back(each.sampler);
  return names;
}

std::string_view scheduler_class(std::string_view sampler) {
  std::string known;
  for (const SchedulerClass& each : kClasses) {
    if (!each.sampler) continue;
    if (sampler == each.sampler) return each.name;
    known += (known.empty() ? "" : ", ") + std::string(each.sampler);
  }
  fail("sampler: name must be one of ", known, ", got ", sampler);
}

}  // namespace imago::diffusion
