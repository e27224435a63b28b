#!/usr/bin/env python3
"""Writes schedulers.safetensors: what diffusers' schedulers do with given model outputs and given noise, and
their tables. Images are stored as (N, H, W, C). Needs torch, diffusers and safetensors; run it in this folder."""

import sys

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
)
from safetensors.torch import save_file

SHAPE = (2, 3, 2, 2)  # N, C, H, W
PROBES = [0, 1, 2, 249, 499, 500, 750, 997, 998, 999]
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace")

# class: {name: (config, arguments of set_timesteps, arguments of step)}
PREDICTIONS = ("epsilon", "sample", "v_prediction")
DDPM = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in PREDICTIONS},
    **{f"variance_{v}": ({"variance_type": v}, 5, {}) for v in ("fixed_small_log", "fixed_large", "learned", "learned_range")},
    **{f"beta_{b}": ({"beta_schedule": b}, 4, {}) for b in SCHEDULES},
    "leading": ({"steps_offset": 1}, 7, {}),
    "trailing": ({"timestep_spacing": "trailing"}, 7, {}),
    "linspace": ({"timestep_spacing": "linspace"}, 7, {}),
    "zero_snr": ({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 4, {}),
    "no_clip": ({"clip_sample": False}, 4, {}),
    "clip_range": ({"clip_sample_range": 2.0}, 4, {}),
    "threshold": ({"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.8}, 4, {}),
    "trained_betas": ({"trained_betas": [0.05 * (i + 1) for i in range(8)], "num_train_timesteps": 8}, 8, {}),
    "custom": ({}, [990, 700, 333, 12, 0], {}),
}
DDIM = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in PREDICTIONS},
    "eta_half": ({}, 5, {"eta": 0.5}),
    "eta_one": ({"prediction_type": "v_prediction"}, 5, {"eta": 1.0}),
    "reclipped": ({}, 5, {"use_clipped_model_output": True}),
    "alpha_not_one": ({"set_alpha_to_one": False, "steps_offset": 1}, 5, {}),
    "linspace": ({"timestep_spacing": "linspace"}, 5, {}),
    "zero_snr": ({"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, 5, {}),
}
PNDM = {
    "runge_kutta": ({}, 8, {}),
    "runge_kutta_v": ({"prediction_type": "v_prediction", "set_alpha_to_one": True}, 6, {}),
    "multistep": ({"skip_prk_steps": True, "steps_offset": 1}, 8, {}),
    "multistep_v": ({"skip_prk_steps": True, "prediction_type": "v_prediction"}, 6, {}),
    "trailing": ({"skip_prk_steps": True, "timestep_spacing": "trailing"}, 6, {}),
}
NOT_PLUS_PLUS = {"final_sigmas_type": "sigma_min"}
DPM = {
    **{f"prediction_{p}": ({"prediction_type": p}, 6, {}) for p in PREDICTIONS},
    **{f"order_{o}": ({"solver_order": o}, 7, {}) for o in (1, 3)},
    **{f"order_{o}_long": ({"solver_order": o}, 16, {}) for o in (2, 3)},
    "heun": ({"solver_type": "heun"}, 6, {}),
    **{f"{s}": ({f"use_{s}": True}, 6, {}) for s in ("karras_sigmas", "exponential_sigmas", "lu_lambdas")},
    "flow": ({"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}, 6, {}),
    "sigma_min": ({"final_sigmas_type": "sigma_min"}, 6, {}),
    "euler_at_final": ({"final_sigmas_type": "sigma_min", "euler_at_final": True, "lower_order_final": False}, 6, {}),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, 6, {}),
    "trailing": ({"timestep_spacing": "trailing"}, 6, {}),
    "lambda_min": ({"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}, 6, {}),
    "zero_snr": ({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 6, {}),
    "threshold": ({"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.8}, 6, {}),
    "learned_variance": ({"variance_type": "learned_range"}, 6, {}),
    "custom": ({}, [990, 700, 333, 12, 1], {}),
    **{f"epsilon_order_{o}": ({"algorithm_type": "dpmsolver", "solver_order": o, **NOT_PLUS_PLUS}, 6, {}) for o in (1, 2, 3)},
    "epsilon_heun": ({"algorithm_type": "dpmsolver", "solver_type": "heun", **NOT_PLUS_PLUS}, 6, {}),
    "epsilon_v": ({"algorithm_type": "dpmsolver", "prediction_type": "v_prediction", **NOT_PLUS_PLUS}, 6, {}),
    "epsilon_threshold": ({"algorithm_type": "dpmsolver", "thresholding": True, "sample_max_value": 1.5, **NOT_PLUS_PLUS}, 6, {}),
    **{f"sde_order_{o}": ({"algorithm_type": "sde-dpmsolver++", "solver_order": o}, 6, {}) for o in (1, 2, 3)},
    "sde_heun": ({"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"}, 6, {}),
    "sde_epsilon": ({"algorithm_type": "sde-dpmsolver", **NOT_PLUS_PLUS}, 6, {}),
    "sde_epsilon_heun": ({"algorithm_type": "sde-dpmsolver", "solver_type": "heun", **NOT_PLUS_PLUS}, 6, {}),
}
CHURN = {"s_churn": 2.0, "s_noise": 1.003, "s_tmin": 0.05, "s_tmax": 50.0}
EULER = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in PREDICTIONS},
    **{f"{s}": ({f"use_{s}": True}, 5, {}) for s in ("karras_sigmas", "exponential_sigmas")},
    "karras_range": ({"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 20.0}, 5, {}),
    "leading": ({"timestep_spacing": "leading", "steps_offset": 1}, 5, {}),
    "trailing": ({"timestep_spacing": "trailing", "final_sigmas_type": "sigma_min"}, 5, {}),
    "log_linear": ({"interpolation_type": "log_linear"}, 5, {}),
    "continuous": ({"timestep_type": "continuous", "prediction_type": "v_prediction"}, 5, {}),
    "zero_snr": ({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 5, {}),
    **{f"churn_{p}": ({"prediction_type": p}, 5, CHURN) for p in PREDICTIONS},
    "custom": ({}, [990, 700, 333, 12, 1], {}),
}
EULER_ANCESTRAL = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in ("epsilon", "v_prediction")},
    "zero_snr": ({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 5, {}),
}
HEUN = {
    **{f"prediction_{p}": ({"prediction_type": p}, 4, {}) for p in PREDICTIONS},
    "ddpm_betas": ({"beta_start": 1e-4, "beta_end": 0.02}, 5, {}),
    "clip_karras": ({"clip_sample": True, "use_karras_sigmas": True}, 4, {}),
    "exp": ({"beta_schedule": "exp", "timestep_spacing": "leading", "steps_offset": 1}, 4, {}),
}
EDM = {
    "karras": ({}, 6, {}),
    "exponential_v": ({"sigma_schedule": "exponential", "prediction_type": "v_prediction"}, 6, {}),
    "sigma_min": ({"final_sigmas_type": "sigma_min", "sigma_data": 1.0, "sigma_max": 20.0}, 4, {}),
    "churn": ({}, 6, {"s_churn": 20.0, "s_tmin": 0.05, "s_tmax": 50.0, "s_noise": 1.003}),
}
EDM_DPM = {
    "order_2": ({}, 6, {}),
    "order_3": ({"solver_order": 3, "prediction_type": "v_prediction"}, 6, {}),
    "sde": ({"algorithm_type": "sde-dpmsolver++"}, 6, {}),
}
FLOW_MATCH = {
    "plain": ({}, 5, {}),
    "shift": ({"shift": 3.0}, 5, {}),
    "terminal_karras": ({"use_karras_sigmas": True, "shift_terminal": 0.1}, 5, {}),
    "stochastic": ({"stochastic_sampling": True}, 5, {}),
    "dynamic": ({"use_dynamic_shifting": True}, {"num_inference_steps": 5, "mu": 0.8}, {}),
    "dynamic_linear": ({"use_dynamic_shifting": True, "time_shift_type": "linear"}, {"num_inference_steps": 5, "mu": 0.8}, {}),
}
VARIANTS = {
    DDPMScheduler: DDPM,
    DDIMScheduler: DDIM,
    PNDMScheduler: PNDM,
    DPMSolverMultistepScheduler: DPM,
    EulerDiscreteScheduler: EULER,
    EulerAncestralDiscreteScheduler: EULER_ANCESTRAL,
    HeunDiscreteScheduler: HEUN,
    EDMEulerScheduler: EDM,
    EDMDPMSolverMultistepScheduler: EDM_DPM,
    FlowMatchEulerDiscreteScheduler: FLOW_MATCH,
}

generator = torch.Generator().manual_seed(123)
tensors, metadata = {}, {}


def randn(*shape):
    return torch.randn(shape, generator=generator)


def nhwc(t):
    return t.movedim(-3, -1).contiguous()


def set_timesteps(prefix, scheduler, argument):
    if isinstance(argument, list):
        scheduler.set_timesteps(timesteps=argument)
        metadata[f"{prefix}/custom"] = "true"
    elif isinstance(argument, dict):
        scheduler.set_timesteps(**argument)
        metadata[f"{prefix}/mu"] = str(argument["mu"])
        metadata[f"{prefix}/n"] = str(argument["num_inference_steps"])
    else:
        scheduler.set_timesteps(argument)
        metadata[f"{prefix}/n"] = str(argument)


def run(prefix, scheduler, set_argument, step_arguments):
    """One trajectory: x starts at init_noise_sigma times noise, and every step gets its own model output and noise."""
    set_timesteps(prefix, scheduler, set_argument)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # else a run whose first two time steps are equal starts at the second
    config = scheduler.config
    n = len(scheduler.timesteps)
    channels = 6 if "learned" in (config.get("variance_type") or "") else 3
    noise = randn(n, *SHAPE)
    output = randn(n, SHAPE[0], channels, *SHAPE[2:])
    if config.get("variance_type") == "learned":
        output[:, :, 3:] = output[:, :, 3:].abs()  # a variance
    x = randn(*SHAPE) * getattr(scheduler, "init_noise_sigma", 1.0)
    tensors[f"{prefix}/start"] = nhwc(x)
    seen, xs, x0s, drawn = [], [], [], []
    module = sys.modules[type(scheduler).__module__]
    for k, t in enumerate(scheduler.timesteps):
        drawn.append(0)

        def draw(*_, **__):
            drawn[-1] = 1
            return noise[k]

        module.randn_tensor = draw
        if step_arguments.get("eta"):
            step_arguments["variance_noise"] = draw()
        seen.append(scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x)
        result = scheduler.step(output[k], t, x, **step_arguments)
        x = result.prev_sample
        xs.append(x)
        x0s.append(getattr(result, "pred_original_sample", None))
    recorded = dict(model=output, x=torch.stack(xs))
    if any(drawn):
        recorded["noise"] = noise
    if not torch.equal(seen[-1], xs[-2]):
        recorded["seen"] = torch.stack(seen)
    if x0s[0] is not None and "s_churn" not in step_arguments:  # with churn, diffusers' x0 has noise in it
        recorded["x0"] = torch.stack(x0s)
    for name, t in recorded.items():
        tensors[f"{prefix}/{name}"] = nhwc(t)
    tensors[f"{prefix}/timesteps"] = scheduler.timesteps.clone()
    tensors[f"{prefix}/drawn"] = torch.tensor(drawn, dtype=torch.uint8)
    metadata[f"{prefix}/config"] = config_json(scheduler)
    for name in ("eta", "use_clipped_model_output", "s_churn", "s_tmin", "s_tmax", "s_noise"):
        if name in step_arguments:
            metadata[f"{prefix}/{name}"] = str(float(step_arguments[name]))


def config_json(scheduler):
    """As scheduler_config.json, with all that has a default."""
    return scheduler.to_json_string()


for kind, variants in VARIANTS.items():
    metadata[f"{kind.__name__}/defaults"] = config_json(kind())
    for name, (config, set_argument, step_arguments) in variants.items():
        run(f"{kind.__name__}/{name}", kind(**config), set_argument, step_arguments)

tensors["tables/probes"] = torch.tensor(PROBES)
for schedule in SCHEDULES:
    for zero_snr in (False, True):
        scheduler = DDPMScheduler(beta_schedule=schedule, rescale_betas_zero_snr=zero_snr)
        kind = f"tables/{schedule}/{'zero_snr' if zero_snr else 'plain'}"
        tensors[f"{kind}/betas"] = scheduler.betas[PROBES].clone()
        tensors[f"{kind}/alphas_cumprod"] = scheduler.alphas_cumprod[PROBES].clone()

scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
t, x0, noise = torch.tensor([0, 17, 500, 999]), randn(4, *SHAPE[1:]), randn(4, *SHAPE[1:])
tensors["forward/t"] = t
for name, image in dict(
    x0=x0, noise=noise, x_t=scheduler.add_noise(x0, noise, t), velocity=scheduler.get_velocity(x0, noise, t)
).items():
    tensors[f"forward/{name}"] = nhwc(image)

save_file(tensors, "schedulers.safetensors", metadata)
