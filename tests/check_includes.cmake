# Who may include whom. Run as: cmake -D ROOT=<source folder> -P check_includes.cmake
#   examples -> diffusion -> nn -> autograd -> kernels -> core,  diffusion -> data -> core;  tests and bench: anything
cmake_minimum_required(VERSION 3.22)

set(may_core core)
set(may_kernels kernels core)
set(may_autograd autograd kernels core)
set(may_nn nn autograd kernels core)
set(may_data data core)
set(may_diffusion diffusion nn autograd kernels data core)
set(may_examples examples diffusion nn autograd kernels data core)
set(may_cli cli examples diffusion nn autograd kernels data core)
set(folders core kernels autograd nn data diffusion examples cli)
set(backends cpu cuda simt)
# The only ways from one backend's folder to another's: what chooses the CPU's table, the header that makes the emulator
# stand in for CUDA, and what makes the emulator's memory a device.
string(CONCAT doors "^(kernels/cpu_backend\\.cpp kernels/cpu/tables\\.h"
       "|kernels/cuda/device/(portable|tensor_core)\\.cuh kernels/simt/.*"
       "|kernels/simt/device_(memory|queues)\\.cpp kernels/cuda/device/memory\\.h)$")
# What a program that uses the installed headers need not have.
set(third_party "^<(fmt|nlohmann|CLI|Eigen|stb|catch2|zlib)[/.]")
set(cuda_headers "^[<\"](cuda|cublas|cudnn|nvrtc|mma|cooperative_groups|nccl|cub/|thrust/)")

# Sets `out` to a sentence if `file` must not contain #include `what` (with its quotes or brackets), else to "".
function(violation file what out)
  set(${out} "" PARENT_SCOPE)
  string(REGEX REPLACE "/.*" "" folder "${file}")
  if(what MATCHES "${cuda_headers}" AND NOT file MATCHES "^kernels/cuda/(device/portable\\.cuh|.*_cuda\\.cu)$")
    set(${out} "CUDA headers belong in device/portable.cuh and *_cuda.cu of kernels/cuda" PARENT_SCOPE)
  elseif(what MATCHES "${third_party}" AND file MATCHES "\\.h$" AND NOT file MATCHES "^(kernels/cpu|examples)/")
    set(${out} "headers that are installed must not need other packages" PARENT_SCOPE)
  elseif(what MATCHES "^\"(.*)\"$")
    set(path "${CMAKE_MATCH_1}")
    string(REGEX REPLACE "/.*" "" target "${path}")
    if(NOT target IN_LIST may_${folder})
      set(${out} "${folder} may include only from: ${may_${folder}}" PARENT_SCOPE)
    endif()
    foreach(backend ${backends})
      if(path MATCHES "^kernels/${backend}/" AND NOT file MATCHES "^kernels/${backend}/"
         AND NOT "${file} ${path}" MATCHES "${doors}")
        set(${out} "kernels/${backend} is reached only through the table in kernels/backend.h" PARENT_SCOPE)
      endif()
    endforeach()
  endif()
endfunction()

# A check that notices nothing is worth nothing: first it has to find what is planted here, and pass what is fine.
foreach(case "core/a.h|\"kernels/axpy.h\"" "kernels/a.cpp|\"autograd/variable.h\"" "autograd/a.cpp|\"nn/module.h\""
        "data/a.cpp|\"nn/module.h\"" "nn/a.cpp|\"data/idx.h\"" "diffusion/a.cpp|\"examples/mnist.h\""
        "nn/a.cpp|\"kernels/cpu/isa.h\"" "kernels/axpy.cpp|\"kernels/cpu/tables.h\""
        "kernels/cpu/a.cpp|\"kernels/cuda/a.cuh\"" "nn/a.cpp|<cuda_runtime.h>" "kernels/cuda/a.cu|<cuda_runtime.h>"
        "kernels/cuda/a.cu|\"kernels/simt/launch.h\"" "kernels/axpy.cpp|<cublas_v2.h>"
        "nn/a.h|<nlohmann/json.hpp>" "core/a.h|<fmt/core.h>" "core/a.cpp|\"shape.h\"" "nn/a.cpp|\"../core/shape.h\"")
  string(REPLACE "|" ";" case "${case}")
  violation(${case} sentence)
  if(sentence STREQUAL "")
    message(FATAL_ERROR "check_includes does not notice: ${case}")
  endif()
endforeach()
foreach(case "core/a.h|<vector>" "kernels/cpu_backend.cpp|\"kernels/cpu/tables.h\"" "kernels/cpu/a.cpp|<Eigen/Core>"
        "kernels/cpu/gemm.h|<Eigen/Core>" "kernels/cuda/memory_cuda.cu|<cuda_runtime.h>"
        "kernels/cuda/device/portable.cuh|\"kernels/simt/launch.h\"" "data/a.cpp|<nlohmann/json.hpp>"
        "diffusion/a.cpp|\"data/idx.h\"" "examples/a.cpp|\"examples/program/progress.h\"")
  string(REPLACE "|" ";" case "${case}")
  violation(${case} sentence)
  if(NOT sentence STREQUAL "")
    message(FATAL_ERROR "check_includes forbids what is fine: ${case}: ${sentence}")
  endif()
endforeach()

set(bad 0)
set(seen 0)
foreach(folder ${folders})
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${folder}/*.h ${ROOT}/${folder}/*.cpp ${ROOT}/${folder}/*.cu
       ${ROOT}/${folder}/*.cuh)
  foreach(file ${files})
    file(STRINGS ${ROOT}/${file} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line ${lines})
      if(NOT line MATCHES "([<\"][^>\"]+[>\"])")
        continue()
      endif()
      set(what "${CMAKE_MATCH_1}")
      math(EXPR seen "${seen} + 1")
      violation(${file} ${what} sentence)
      if(NOT sentence STREQUAL "")
        message("${file} includes ${what}: ${sentence}")
        math(EXPR bad "${bad} + 1")
      endif()
    endforeach()
  endforeach()
endforeach()
if(bad OR seen LESS 100)
  message(FATAL_ERROR "${seen} includes, ${bad} of them forbidden")
endif()
message("${seen} includes, all allowed")
