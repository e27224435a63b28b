// What we use of cuBLASLt, declared anew so that it is needed neither to build nor to run. Where
// its headers are installed, yardsticks_check.cpp compares every number with them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace imago::bench::cublas_api {

using Handle = void*;
using Descriptor = void*;
using Layout = void*;
using Preference = void*;
using Status = int;
inline constexpr Status kSuccess = 0;

inline constexpr int kFloat = 0, kBfloat16 = 14;             // cudaDataType
inline constexpr int kComputeFloat = 68, kComputeTf32 = 77;  // cublasComputeType_t
inline constexpr int kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBiasPointer = 8,
                     kBiasType = 26;
inline constexpr int kTransposed = 1, kEpilogueBias = 4;
inline constexpr int kMaxWorkspace = 1;

struct Algorithm {
  uint64_t data[8];
};
struct Proposal {
  Algorithm algorithm;
  size_t workspace;
  Status status;
  float waves;
  int reserved[4];
};

struct Functions {
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  size_t (*version)();
  const char* (*error_string)(Status);
  Status (*create_descriptor)(Descriptor*, int compute, int scale_type);
  Status (*destroy_descriptor)(Descriptor);
  Status (*set_attribute)(Descriptor, int attribute, const void* value, size_t bytes);
  Status (*create_layout)(Layout*, int type, uint64_t rows, uint64_t columns, int64_t step);
  Status (*destroy_layout)(Layout);
  Status (*create_preference)(Preference*);
  Status (*destroy_preference)(Preference);
  Status (*set_preference)(Preference, int attribute, const void* value, size_t bytes);
  Status (*propose)(Handle, Descriptor, Layout a, Layout b, Layout c, Layout d, Preference,
                    int wanted, Proposal*, int* found);
  Status (*matmul)(Handle, Descriptor, const void* alpha, const void* a, Layout, const void* b,
                   Layout, const void* beta, const void* c, Layout, void* d, Layout,
                   const Algorithm*, void* workspace, size_t bytes, void* stream);
};

}  // namespace imago::bench::cublas_api
