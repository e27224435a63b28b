# kernels/cuda for the two that run it: GPUs, by nvcc, and the emulator of kernels/simt, by the host's compiler.
include_guard()

set(IMAGO_CUDA AUTO CACHE STRING "build the CUDA backend: ON, OFF, or AUTO (where nvcc and a GPU are found)")
set_property(CACHE IMAGO_CUDA PROPERTY STRINGS AUTO ON OFF)
option(IMAGO_SIMT "build the emulator, and with it the tests of the CUDA kernels" ${IMAGO_TESTS})

file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
file(GLOB emulator_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/simt/*.cpp)
file(GLOB checker_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/simt/check/*.cpp)

# ---- the emulator ----
# Linking imago_simt is enough for the device simt to be there; with imago_simt_check every memory access of a kernel is
# checked too. Each .cu file is compiled by way of a .cpp file that includes it; ARGN: how.
function(imago_simt_library name)
  foreach(source ${cuda_sources})
    get_filename_component(stem ${source} NAME_WE)
    if(NOT stem MATCHES "_cuda$")  # those talk to CUDA's runtime library
      file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/simt/${stem}.cpp CONTENT "#include \"kernels/cuda/${stem}.cu\"\n")
      list(APPEND wrappers ${PROJECT_BINARY_DIR}/simt/${stem}.cpp)
    endif()
  endforeach()
  add_library(${name}_kernels OBJECT ${wrappers})
  add_library(${name}_emulator OBJECT ${emulator_sources})
  foreach(part kernels emulator)
    target_link_libraries(${name}_${part} PRIVATE imago_options)
    target_compile_definitions(${name}_${part} PRIVATE IMAGO_BACKEND=simt_kernels IMAGO_BACKEND_NAME="simt"
                               IMAGO_DEVICE=simt)
    # Kernels look at memory through types of several sizes, as nvcc allows.
    target_compile_options(${name}_${part} PRIVATE -O2 -fno-strict-aliasing -Wno-unknown-pragmas
                           -Wno-ignored-attributes)
    set_target_properties(${name}_${part} PROPERTIES CXX_CLANG_TIDY "")
    if(ARGN)
      target_compile_definitions(${name}_${part} PRIVATE IMAGO_SIMT_CHECK)
    endif()
  endforeach()
  if(ARGN)
    target_sources(${name}_emulator PRIVATE ${checker_sources})
  endif()
  target_compile_options(${name}_kernels PRIVATE ${ARGN})
  add_library(${name} INTERFACE)
  target_sources(${name} INTERFACE $<TARGET_OBJECTS:${name}_kernels> $<TARGET_OBJECTS:${name}_emulator>)
  target_link_libraries(${name} INTERFACE imago_kernels)
endfunction()

if(IMAGO_SIMT)
  imago_simt_library(imago_simt)
  if(NOT IMAGO_SANITIZE)
    # -fsanitize=thread makes the compiler call a function at each access; those functions are the emulator's own, so
    # there is no such option at the link. -fno-tree-sra keeps accesses to float4 in one piece, -g is for messages.
    set(IMAGO_SIMT_CHECK_OPTIONS -O1 -g -fno-tree-sra -fsanitize=thread)
    imago_simt_library(imago_simt_check ${IMAGO_SIMT_CHECK_OPTIONS})
  endif()
endif()

# ---- GPUs ----
set(with_cuda ${IMAGO_CUDA})
if(IMAGO_CUDA STREQUAL "AUTO")
  find_program(IMAGO_NVCC nvcc PATHS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin)
  set(with_cuda OFF)
  if(IMAGO_NVCC AND EXISTS /dev/nvidiactl)
    execute_process(COMMAND ${IMAGO_NVCC} --version OUTPUT_VARIABLE version)
    if(version MATCHES "release ([0-9]+)" AND CMAKE_MATCH_1 GREATER_EQUAL 12)
      set(with_cuda ON)
    else()
      message(STATUS "There is a GPU, but ${IMAGO_NVCC} is older than CUDA 12: the CUDA backend is left out.")
    endif()
  endif()
endif()
if(with_cuda)
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(IMAGO_NVCC nvcc PATHS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin)
    if(NOT IMAGO_NVCC)
      message(FATAL_ERROR "IMAGO_CUDA is ON, but there is no nvcc: install the CUDA toolkit (12 or newer), or name "
                          "it by CUDACXX or CMAKE_CUDA_COMPILER.")
    endif()
    set(CMAKE_CUDA_COMPILER ${IMAGO_NVCC})
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 89-real 90 CACHE STRING "GPU architectures to compile for")
  endif()
  enable_language(CUDA)
  # CMake 3.25 does not know that nvcc speaks C++20.
  foreach(flag CMAKE_CUDA20_STANDARD_COMPILE_OPTION CMAKE_CUDA20_EXTENSION_COMPILE_OPTION)
    if(NOT ${flag})
      set(${flag} -std=c++20)
    endif()
  endforeach()
  find_package(CUDAToolkit REQUIRED)
  add_library(imago_cuda OBJECT ${cuda_sources})
  set_target_properties(imago_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON POSITION_INDEPENDENT_CODE ON)
  target_include_directories(imago_cuda PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(imago_cuda PRIVATE IMAGO_BACKEND=cuda_kernels IMAGO_BACKEND_NAME="cuda" IMAGO_DEVICE=cuda)
  target_compile_options(imago_cuda PRIVATE --expt-relaxed-constexpr --extended-lambda -lineinfo
                         --threads 2 -diag-suppress 20012,20014 "SHELL:-Xcompiler -Wall,-Wextra,-Wno-unknown-pragmas")
  # Here normal numbers are drawn (core/philox.h): a * b + c stays two instructions.
  foreach(op add_noise denoise_step fill_random noisy_images)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/cuda/${op}.cu PROPERTIES COMPILE_OPTIONS -fmad=false)
  endforeach()
  target_sources(imago_kernels PRIVATE $<TARGET_OBJECTS:imago_cuda>)
  target_compile_definitions(imago_kernels PRIVATE IMAGO_WITH_CUDA)
  target_link_libraries(imago_kernels PUBLIC CUDA::cudart_static)
endif()
