"""The names of the values that ComfyUI's editor saves by position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["WEIGHTS", "name_widgets"]

WEIGHTS = (
    "ckpt_name", "unet_name", "clip_name", "clip_name1", "vae_name", "control_net_name",
    "model_name", "style_model_name", "model", "gguf_name", "motion_model", "pulid_file",
    "ipadapter_file", "diffusion_model",
)  # fmt: skip
"""Values that name a file with weights."""

_SAMPLER = ("seed", "control", "steps", "cfg", "sampler_name", "scheduler", "denoise")
_SIZE = ("width", "height", "batch_size")
_VIDEO_SIZE = ("width", "height", "length", "batch_size")

_WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": _SAMPLER,
    "KSampler (Efficient)": _SAMPLER,
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "control", "steps", "cfg", "sampler_name", "scheduler",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "control", "cfg"),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps",),
    "Flux2Scheduler": ("steps", "width", "height"),
    "LTXVScheduler": ("steps",),
    "AlignYourStepsScheduler": ("model_type", "steps", "denoise"),
    "SDTurboScheduler": ("steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "CFGGuider": ("cfg",),
    "EmptyLatentImage": _SIZE,
    "EmptySD3LatentImage": _SIZE,
    "EmptyFlux2LatentImage": _SIZE,
    "EmptyHunyuanLatentVideo": _VIDEO_SIZE,
    "EmptyLTXVLatentVideo": _VIDEO_SIZE,
    "EmptyMochiLatentVideo": _VIDEO_SIZE,
    "WanImageToVideo": _VIDEO_SIZE,
    "WanFirstLastFrameToVideo": _VIDEO_SIZE,
    "SVD_img2vid_Conditioning": ("width", "height", "video_frames"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "ImageOnlyCheckpointLoader": ("ckpt_name",),
    "unCLIPCheckpointLoader": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "UnetLoaderGGUF": ("unet_name",),
    "CLIPLoader": ("clip_name",),
    "DualCLIPLoader": ("clip_name1", "clip_name2"),
    "TripleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3"),
    "CLIPVisionLoader": ("clip_name",),
    "VAELoader": ("vae_name",),
    "ControlNetLoader": ("control_net_name",),
    "DiffControlNetLoader": ("control_net_name",),
    "StyleModelLoader": ("style_model_name",),
    "UpscaleModelLoader": ("model_name",),
    "SetNode": ("constant",),
    "GetNode": ("constant",),
}  # fmt: skip


def name_widgets(class_name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node's values by name.

    Names come from the list of known nodes, or from the node's own inputs where it has exactly one
    for each value; values without a name are left out.

    Args:
        class_name: of the node.
        node: as the editor saved it.
    """
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return values
    if not isinstance(values, list):
        return {}
    if (names := _WIDGETS.get(class_name)) is not None:
        return dict(zip(names, values, strict=False))
    own = _own_names(node.get("inputs"))
    return dict(zip(own, values, strict=True)) if len(own) == len(values) else {}


def _own_names(inputs: object) -> list[str]:
    slots = inputs if isinstance(inputs, list) else []
    widgets = [slot.get("widget") for slot in slots if isinstance(slot, dict)]
    return [str(one.get("name")) for one in widgets if isinstance(one, dict)]
