// What we use of cuDNN 9's backend interface, declared anew so that cuDNN is needed neither to
// build nor to run. Where its headers are installed, yardsticks_check.cpp compares every number
// with them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace imago::bench::cudnn_api {

using Handle = void*;
using Descriptor = void*;
using Status = int;
inline constexpr Status kSuccess = 0;

// data types
inline constexpr int kFloat = 0, kBfloat16 = 9;

// kinds of descriptors
inline constexpr int kPointwise = 0, kConvolution = 1, kEngine = 2, kEngineConfig = 3,
                     kEngineHeuristics = 4, kExecutionPlan = 5, kOperationForward = 10,
                     kOperationBackwardFilter = 11, kOperationBackwardData = 12,
                     kOperationPointwise = 13, kOperationGraph = 15, kVariantPack = 16,
                     kTensor = 17;

// types of attributes
inline constexpr int kTypeHandle = 0, kTypeDataType = 1, kTypeBoolean = 2, kTypeInt64 = 3,
                     kTypeFloat = 4, kTypeVoidPointer = 6, kTypeConvolutionMode = 7,
                     kTypeHeuristicMode = 8, kTypeNumericalNote = 11, kTypePointwiseMode = 14,
                     kTypeDescriptor = 15;

// values of attributes
inline constexpr int kCrossCorrelation = 1, kAdd = 0, kHeuristicsFallback = 2, kHeuristicsA = 3;
inline constexpr int kNoteTensorCore = 0, kNoteDownConvertInputs = 1,
                     kNoteReducedPrecisionReduction = 2, kNoteNondeterministic = 4, kNoteCount = 10;

// attributes
inline constexpr int kPointwiseMode = 0, kPointwiseMathPrecision = 1;
inline constexpr int kConvolutionComputeType = 100, kConvolutionMode = 101,
                     kConvolutionDilations = 102, kConvolutionStrides = 103,
                     kConvolutionPostPaddings = 104, kConvolutionPrePaddings = 105,
                     kConvolutionSpatialDims = 106;
inline constexpr int kHeuristicsMode = 200, kHeuristicsGraph = 201, kHeuristicsResults = 202;
inline constexpr int kEngineConfigEngine = 300;
inline constexpr int kPlanHandle = 400, kPlanEngineConfig = 401, kPlanWorkspaceSize = 402;
inline constexpr int kForwardAlpha = 700, kForwardBeta = 701, kForwardConvolution = 702,
                     kForwardW = 703, kForwardX = 704, kForwardY = 705;
inline constexpr int kDataAlpha = 706, kDataBeta = 707, kDataConvolution = 708, kDataW = 709,
                     kDataDx = 710, kDataDy = 711;
inline constexpr int kFilterAlpha = 712, kFilterBeta = 713, kFilterConvolution = 714,
                     kFilterDw = 715, kFilterX = 716, kFilterDy = 717;
inline constexpr int kOperationPointwiseDescriptor = 750, kOperationPointwiseX = 751,
                     kOperationPointwiseB = 752, kOperationPointwiseY = 753;
inline constexpr int kGraphHandle = 800, kGraphOperations = 801;
inline constexpr int kTensorAlignment = 900, kTensorDataType = 901, kTensorDimensions = 902,
                     kTensorStrides = 903, kTensorId = 906, kTensorIsVirtual = 907;
inline constexpr int kPackIds = 1000, kPackPointers = 1001, kPackWorkspace = 1003;
inline constexpr int kEngineNumericalNotes = 1303;

struct Functions {
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  Status (*set_stream)(Handle, void* stream);
  size_t (*version)();
  const char* (*error_string)(Status);
  Status (*create_descriptor)(int kind, Descriptor*);
  Status (*destroy_descriptor)(Descriptor);
  Status (*set_attribute)(Descriptor, int attribute, int type, int64_t count, const void* values);
  Status (*get_attribute)(Descriptor, int attribute, int type, int64_t room, int64_t* count,
                          void* values);
  Status (*finalize)(Descriptor);
  Status (*execute)(Handle, Descriptor plan, Descriptor variant_pack);
};

}  // namespace imago::bench::cudnn_api
