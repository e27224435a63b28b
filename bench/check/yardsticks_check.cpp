// Compiled where the headers of cuDNN and cuBLAS are installed: our declarations must say what
// theirs say.
#include <cublasLt.h>
#include <cudnn_graph.h>

#include <type_traits>

#include "bench/cublas_api.h"
#include "bench/cudnn_api.h"

namespace {

namespace dnn = imago::bench::cudnn_api;
static_assert(dnn::kFloat == CUDNN_DATA_FLOAT && dnn::kBfloat16 == CUDNN_DATA_BFLOAT16);
static_assert(dnn::kPointwise == CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
static_assert(dnn::kConvolution == CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
static_assert(dnn::kEngine == CUDNN_BACKEND_ENGINE_DESCRIPTOR);
static_assert(dnn::kEngineConfig == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
static_assert(dnn::kEngineHeuristics == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
static_assert(dnn::kExecutionPlan == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
static_assert(dnn::kOperationForward == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
static_assert(dnn::kOperationBackwardFilter ==
              CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
static_assert(dnn::kOperationBackwardData ==
              CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
static_assert(dnn::kOperationPointwise == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
static_assert(dnn::kOperationGraph == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
static_assert(dnn::kVariantPack == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
static_assert(dnn::kTensor == CUDNN_BACKEND_TENSOR_DESCRIPTOR);

static_assert(dnn::kTypeHandle == CUDNN_TYPE_HANDLE && dnn::kTypeDataType == CUDNN_TYPE_DATA_TYPE);
static_assert(dnn::kTypeBoolean == CUDNN_TYPE_BOOLEAN && dnn::kTypeInt64 == CUDNN_TYPE_INT64);
static_assert(dnn::kTypeFloat == CUDNN_TYPE_FLOAT && dnn::kTypeVoidPointer == CUDNN_TYPE_VOID_PTR);
static_assert(dnn::kTypeConvolutionMode == CUDNN_TYPE_CONVOLUTION_MODE);
static_assert(dnn::kTypeHeuristicMode == CUDNN_TYPE_HEUR_MODE);
static_assert(dnn::kTypeNumericalNote == CUDNN_TYPE_NUMERICAL_NOTE);
static_assert(dnn::kTypePointwiseMode == CUDNN_TYPE_POINTWISE_MODE);
static_assert(dnn::kTypeDescriptor == CUDNN_TYPE_BACKEND_DESCRIPTOR);

static_assert(dnn::kCrossCorrelation == CUDNN_CROSS_CORRELATION &&
              dnn::kAdd == CUDNN_POINTWISE_ADD);
static_assert(dnn::kHeuristicsFallback == CUDNN_HEUR_MODE_FALLBACK &&
              dnn::kHeuristicsA == CUDNN_HEUR_MODE_A);
static_assert(dnn::kNoteTensorCore == CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
static_assert(dnn::kNoteDownConvertInputs == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
static_assert(dnn::kNoteReducedPrecisionReduction ==
              CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
static_assert(dnn::kNoteNondeterministic == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);

static_assert(dnn::kPointwiseMode == CUDNN_ATTR_POINTWISE_MODE);
static_assert(dnn::kPointwiseMathPrecision == CUDNN_ATTR_POINTWISE_MATH_PREC);
static_assert(dnn::kConvolutionComputeType == CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
static_assert(dnn::kConvolutionMode == CUDNN_ATTR_CONVOLUTION_CONV_MODE);
static_assert(dnn::kConvolutionDilations == CUDNN_ATTR_CONVOLUTION_DILATIONS);
static_assert(dnn::kConvolutionStrides == CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
static_assert(dnn::kConvolutionPostPaddings == CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
static_assert(dnn::kConvolutionPrePaddings == CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
static_assert(dnn::kConvolutionSpatialDims == CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
static_assert(dnn::kHeuristicsMode == CUDNN_ATTR_ENGINEHEUR_MODE);
static_assert(dnn::kHeuristicsGraph == CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
static_assert(dnn::kHeuristicsResults == CUDNN_ATTR_ENGINEHEUR_RESULTS);
static_assert(dnn::kEngineConfigEngine == CUDNN_ATTR_ENGINECFG_ENGINE);
static_assert(dnn::kPlanHandle == CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
static_assert(dnn::kPlanEngineConfig == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
static_assert(dnn::kPlanWorkspaceSize == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
static_assert(dnn::kForwardAlpha == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA);
static_assert(dnn::kForwardBeta == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
static_assert(dnn::kForwardConvolution == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
static_assert(dnn::kForwardW == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W);
static_assert(dnn::kForwardX == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
static_assert(dnn::kForwardY == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
static_assert(dnn::kDataAlpha == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA);
static_assert(dnn::kDataBeta == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
static_assert(dnn::kDataConvolution == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC);
static_assert(dnn::kDataW == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W);
static_assert(dnn::kDataDx == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX);
static_assert(dnn::kDataDy == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
static_assert(dnn::kFilterAlpha == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA);
static_assert(dnn::kFilterBeta == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
static_assert(dnn::kFilterConvolution == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC);
static_assert(dnn::kFilterDw == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW);
static_assert(dnn::kFilterX == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X);
static_assert(dnn::kFilterDy == CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY);
static_assert(dnn::kOperationPointwiseDescriptor == CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
static_assert(dnn::kOperationPointwiseX == CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
static_assert(dnn::kOperationPointwiseB == CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
static_assert(dnn::kOperationPointwiseY == CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
static_assert(dnn::kGraphHandle == CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
static_assert(dnn::kGraphOperations == CUDNN_ATTR_OPERATIONGRAPH_OPS);
static_assert(dnn::kTensorAlignment == CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
static_assert(dnn::kTensorDataType == CUDNN_ATTR_TENSOR_DATA_TYPE);
static_assert(dnn::kTensorDimensions == CUDNN_ATTR_TENSOR_DIMENSIONS);
static_assert(dnn::kTensorStrides == CUDNN_ATTR_TENSOR_STRIDES &&
              dnn::kTensorId == CUDNN_ATTR_TENSOR_UNIQUE_ID);
static_assert(dnn::kTensorIsVirtual == CUDNN_ATTR_TENSOR_IS_VIRTUAL);
static_assert(dnn::kPackIds == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
static_assert(dnn::kPackPointers == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
static_assert(dnn::kPackWorkspace == CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
static_assert(dnn::kEngineNumericalNotes == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);

namespace blas = imago::bench::cublas_api;
static_assert(blas::kFloat == CUDA_R_32F && blas::kBfloat16 == CUDA_R_16BF);
static_assert(blas::kComputeFloat == CUBLAS_COMPUTE_32F &&
              blas::kComputeTf32 == CUBLAS_COMPUTE_32F_FAST_TF32);
static_assert(blas::kTransposeA == CUBLASLT_MATMUL_DESC_TRANSA &&
              blas::kTransposeB == CUBLASLT_MATMUL_DESC_TRANSB);
static_assert(blas::kEpilogue == CUBLASLT_MATMUL_DESC_EPILOGUE);
static_assert(blas::kBiasPointer == CUBLASLT_MATMUL_DESC_BIAS_POINTER);
static_assert(blas::kBiasType == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
static_assert(blas::kTransposed == CUBLAS_OP_T && blas::kEpilogueBias == CUBLASLT_EPILOGUE_BIAS);
static_assert(blas::kMaxWorkspace == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
static_assert(sizeof(blas::Algorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(blas::Proposal) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(blas::Proposal, workspace) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(blas::Proposal, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));

// Functions agree in the number of their parameters and in the size of each.
template <typename A, typename B>
constexpr bool kSameCall = false;
template <typename R, typename... As, typename S, typename... Bs>
requires(sizeof...(As) == sizeof...(Bs)) constexpr bool kSameCall<R (*)(As...), S (*)(Bs...)> =
    sizeof(R) == sizeof(S) && ((sizeof(As) == sizeof(Bs)) && ...);

static_assert(kSameCall<decltype(dnn::Functions::create), decltype(&cudnnCreate)>);
static_assert(kSameCall<decltype(dnn::Functions::set_stream), decltype(&cudnnSetStream)>);
static_assert(kSameCall<decltype(dnn::Functions::create_descriptor),
                        decltype(&cudnnBackendCreateDescriptor)>);
static_assert(
    kSameCall<decltype(dnn::Functions::set_attribute), decltype(&cudnnBackendSetAttribute)>);
static_assert(
    kSameCall<decltype(dnn::Functions::get_attribute), decltype(&cudnnBackendGetAttribute)>);
static_assert(kSameCall<decltype(dnn::Functions::finalize), decltype(&cudnnBackendFinalize)>);
static_assert(kSameCall<decltype(dnn::Functions::execute), decltype(&cudnnBackendExecute)>);
static_assert(kSameCall<decltype(blas::Functions::create), decltype(&cublasLtCreate)>);
static_assert(
    kSameCall<decltype(blas::Functions::create_descriptor), decltype(&cublasLtMatmulDescCreate)>);
static_assert(
    kSameCall<decltype(blas::Functions::set_attribute), decltype(&cublasLtMatmulDescSetAttribute)>);
static_assert(
    kSameCall<decltype(blas::Functions::create_layout), decltype(&cublasLtMatrixLayoutCreate)>);
static_assert(kSameCall<decltype(blas::Functions::create_preference),
                        decltype(&cublasLtMatmulPreferenceCreate)>);
static_assert(kSameCall<decltype(blas::Functions::set_preference),
                        decltype(&cublasLtMatmulPreferenceSetAttribute)>);
static_assert(
    kSameCall<decltype(blas::Functions::propose), decltype(&cublasLtMatmulAlgoGetHeuristic)>);
static_assert(kSameCall<decltype(blas::Functions::matmul), decltype(&cublasLtMatmul)>);

}  // namespace
