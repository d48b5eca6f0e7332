"""Which of the seven types of service model each class of ComfyUI node is."""

from __future__ import annotations

from dataclasses import dataclass

from fedloom.workload.traces.comfyui.graph import Graph, GraphNode

__all__ = ["NODE_TYPES", "NodeType", "node_type"]


@dataclass(frozen=True, slots=True)
class NodeType:
    """What calls of a type need.

    Attributes:
        memory_gb: of the model.
        seconds: mean time of a call.
        std: its standard deviation.
        gpus: 1, or 0 for what runs beside the GPUs.
    """

    memory_gb: float
    seconds: float
    std: float
    gpus: int = 1


NODE_TYPES: dict[str, NodeType] = {
    "embedding": NodeType(2.0, 0.5, 0.1),
    "image_generation": NodeType(8.0, 3.0, 0.8),
    "image_processing": NodeType(4.0, 1.0, 0.3),
    "control_net": NodeType(6.0, 2.0, 0.5),
    "upscaling": NodeType(6.0, 4.0, 1.0),
    "video_generation": NodeType(16.0, 15.0, 3.0),
    "utility": NodeType(1.0, 0.1, 0.05, gpus=0),
}
"""The seven types."""

_CLASSES: dict[str, str] = {
    "embedding": """
        CLIPTextEncode CLIPTextEncodeSDXL CLIPTextEncodeSDXLRefiner CLIPTextEncodeSD3
        CLIPTextEncodeFlux CLIPTextEncodeHunyuanDiT CLIPTextEncodeLumina2 CLIPVisionEncode
        TextEncodeQwenImageEdit TextEncodeQwenImageEditPlus TextEncodeHunyuanVideo_ImageToVideo
        BNK_CLIPTextEncodeAdvanced unCLIPConditioning StyleModelApply
    """,
    "image_generation": """
        KSampler KSamplerAdvanced SamplerCustom SamplerCustomAdvanced FluxSampler
        IPAdapter IPAdapterAdvanced
    """,
    "image_processing": """
        VAEDecode VAEEncode VAEDecodeTiled VAEEncodeTiled VAEEncodeForInpaint
        InpaintModelConditioning ImageScale ImageScaleBy ImageScaleToTotalPixels ImageBlend
        ImageBlur ImageSharpen ImageInvert ImageCrop ImageBatch ImageCompositeMasked
        ImageQuantize ImagePadForOutpaint LatentUpscale LatentUpscaleBy LatentComposite
        SetLatentNoiseMask VAEDecodeAudio VAEEncodeAudio WanImageToVideo Wan22ImageToVideoLatent
        WanFirstLastFrameToVideo WanVaceToVideo SVD_img2vid_Conditioning HunyuanImageToVideo
        LTXVImgToVideo CosmosImageToVideoLatent
    """,
    "control_net": """
        ControlNetApply ControlNetApplyAdvanced ControlNetApplySD3 ACN_AdvancedControlNetApply
        Canny CannyEdgePreprocessor DWPreprocessor OpenposePreprocessor LineArtPreprocessor
        DepthAnythingPreprocessor DepthAnythingV2Preprocessor MiDaS-DepthMapPreprocessor
        HEDPreprocessor ScribblePreprocessor AIO_Preprocessor
    """,
    "upscaling": """
        ImageUpscaleWithModel UltimateSDUpscale UltimateSDUpscaleNoUpscale
    """,
    "video_generation": """
        WanVideoSampler HyVideoSampler CogVideoSampler MochiSampler ADE_AnimateDiffSampler
        RIFE\u00a0VFI FILM\u00a0VFI
    """,
    "utility": """
        CheckpointLoader CheckpointLoaderSimple ImageOnlyCheckpointLoader unCLIPCheckpointLoader
        UNETLoader UnetLoaderGGUF CLIPLoader CLIPLoaderGGUF DualCLIPLoader DualCLIPLoaderGGUF
        TripleCLIPLoader CLIPVisionLoader VAELoader ControlNetLoader DiffControlNetLoader
        StyleModelLoader UpscaleModelLoader LoraLoader LoraLoaderModelOnly IPAdapterModelLoader
        IPAdapterUnifiedLoader HypernetworkLoader ADE_AnimateDiffLoaderGen1
        ADE_AnimateDiffLoaderWithContext
        CLIPSetLastLayer ModelSamplingSD3 ModelSamplingFlux ModelSamplingDiscrete ModelMergeSimple
        FreeU FreeU_V2 CFGNorm RescaleCFG VideoLinearCFGGuidance
        ConditioningCombine ConditioningConcat ConditioningAverage ConditioningSetArea
        ConditioningSetMask ConditioningSetTimestepRange ConditioningZeroOut FluxGuidance
        ReferenceLatent SetUnionControlNetType
        EmptyLatentImage EmptySD3LatentImage EmptyFlux2LatentImage EmptyHunyuanLatentVideo
        EmptyLTXVLatentVideo EmptyMochiLatentVideo EmptyCosmosLatentVideo EmptyImage
        EmptyLatentAudio LatentFromBatch RepeatLatentBatch
        LoadImage LoadImageMask LoadVideo LoadAudio SaveImage SaveImageWebsocket PreviewImage
        SaveLatent LoadLatent SaveAnimatedWEBP SaveAnimatedPNG SaveWEBM SaveVideo CreateVideo
        GetVideoComponents SaveAudio PreviewAudio VHS_LoadVideo VHS_VideoCombine ImageFromBatch
        MaskToImage ImageToMask SolidMask InvertMask GrowMask FeatherMask
        RandomNoise DisableNoise BasicGuider CFGGuider DualCFGGuider KSamplerSelect BasicScheduler
        KarrasScheduler Flux2Scheduler LTXVScheduler AlignYourStepsScheduler SDTurboScheduler
        SplitSigmas FlipSigmas SamplerEulerAncestral LTXVConditioning
        PrimitiveInt PrimitiveFloat PrimitiveString PrimitiveStringMultiline PrimitiveBoolean
        GetImageSize ShowText|pysssss PreviewAny
    """,
}
_TYPE_OF = {
    name.replace("\u00a0", " "): kind
    for kind, names in _CLASSES.items()
    for name in names.replace("\n", " ").split(" ")
    if name
}

_VIDEO_SOURCES = set(
    """
    EmptyHunyuanLatentVideo EmptyLTXVLatentVideo EmptyMochiLatentVideo EmptyCosmosLatentVideo
    WanImageToVideo Wan22ImageToVideoLatent WanFirstLastFrameToVideo WanVaceToVideo
    SVD_img2vid_Conditioning HunyuanImageToVideo LTXVImgToVideo CosmosImageToVideoLatent
    ADE_AnimateDiffLoaderGen1 ADE_AnimateDiffLoaderWithContext
    """.split()
)


def node_type(graph: Graph, node: GraphNode) -> str | None:
    """Return the type of a node; None: its class is not known.

    A sampler that is fed with latents of a video, or whose model moves, makes a video.
    """
    kind = _TYPE_OF.get(node.class_name)
    if kind == "image_generation":
        sources = graph.follow(node.node_id, ("latent_image", "samples", "model", "guider"))
        if any(source.class_name in _VIDEO_SOURCES for source in sources):
            return "video_generation"
    return kind
