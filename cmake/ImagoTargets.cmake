# One library per folder. The link lines say who may know whom:
#   examples -> diffusion -> nn -> autograd -> kernels -> core,  diffusion -> data -> core
include_guard()
include(GNUInstallDirs)

add_library(imago_options INTERFACE)
target_compile_features(imago_options INTERFACE cxx_std_20)
target_include_directories(imago_options INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
# No contraction of a * b + c: random numbers and plain code give the same bits on every machine.
# Designated initialisers leave members to their defaults on purpose.
target_compile_options(imago_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off
                       -fno-math-errno)
if(IMAGO_WERROR)
  target_compile_options(imago_options INTERFACE -Werror)
endif()
if(IMAGO_SANITIZE)
  # -O1 and line tables only: the compiler's work grows far more than that of the tests shrinks.
  target_compile_options(imago_options INTERFACE -fsanitize=${IMAGO_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer -O1 -g1)
  target_link_options(imago_options INTERFACE -fsanitize=${IMAGO_SANITIZE})
endif()

function(imago_library folder)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp
       ${PROJECT_SOURCE_DIR}/${folder}/functions/*.cpp ${PROJECT_SOURCE_DIR}/${folder}/optim/*.cpp)
  add_library(imago_${folder} STATIC ${sources} ${arg_SOURCES})
  target_link_libraries(imago_${folder} PUBLIC ${arg_LINKS})
  foreach(package imago_options ${arg_USES})  # nothing that a user of the library has to know about
    target_link_libraries(imago_${folder} PRIVATE $<BUILD_INTERFACE:${package}>)
  endforeach()
  target_compile_features(imago_${folder} PUBLIC cxx_std_20)
  target_include_directories(imago_${folder} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/imago>)
  set_target_properties(imago_${folder} PROPERTIES POSITION_INDEPENDENT_CODE ON EXPORT_NAME ${folder})
  set_property(GLOBAL APPEND PROPERTY IMAGO_LIBRARIES imago_${folder})
endfunction()

# kernels/cpu, once per instruction set, each in a namespace of its own (see kernels/cpu/isa.h). Eigen is renamed too:
# its templates must not be shared between instruction sets either.
file(GLOB cpu_kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
# Here a * b + c may become one instruction (so normal numbers, see core/philox.h, are not drawn here). It has to be
# said per source, because the options of a source come behind those that imago_options brings.
set_source_files_properties(${cpu_kernels} PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
# Optimised in debug builds too, or inline functions would be left behind; less under sanitizers, for the compiler.
set(optimisation -O3)
if(IMAGO_SANITIZE)
  set(optimisation -O1)
endif()
function(imago_cpu_kernels name)
  add_library(imago_cpu_${name} OBJECT ${cpu_kernels})
  target_compile_definitions(imago_cpu_${name} PRIVATE IMAGO_BACKEND=cpu_${name} IMAGO_BACKEND_NAME="cpu_${name}"
                             Eigen=Eigen_${name} EIGEN_DONT_PARALLELIZE)
  target_compile_options(imago_cpu_${name} PRIVATE ${optimisation} -fno-trapping-math -Wno-ignored-attributes ${ARGN})
  target_link_libraries(imago_cpu_${name} PRIVATE imago_options imago_eigen)
  set_target_properties(imago_cpu_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_CLANG_TIDY "")
  set_property(GLOBAL APPEND PROPERTY IMAGO_CPU_OBJECTS $<TARGET_OBJECTS:imago_cpu_${name}>)
endfunction()

# A development build may leave some out: it compiles that much faster.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(IMAGO_CPU_ISAS baseline avx2 avx512 CACHE STRING "instruction sets to compile the CPU kernels for")
else()
  set(IMAGO_CPU_ISAS baseline CACHE STRING "instruction sets to compile the CPU kernels for")
endif()
set(flags_baseline "")
set(flags_avx2 -march=x86-64-v3)
# GCC takes the undefined registers in its own AVX-512 intrinsics, which Eigen calls, for uninitialised variables.
set(flags_avx512 -march=x86-64-v4 -mprefer-vector-width=512 -Wno-maybe-uninitialized)
foreach(isa ${IMAGO_CPU_ISAS})
  imago_cpu_kernels(${isa} ${flags_${isa}})
  list(APPEND cpu_isa_definitions IMAGO_CPU_${isa})
endforeach()
get_property(cpu_objects GLOBAL PROPERTY IMAGO_CPU_OBJECTS)

imago_library(core LINKS Threads::Threads)
# Lets the compiler compute both sides of a choice, so that drawing numbers becomes vector code. No bit of them changes.
set_source_files_properties(${PROJECT_SOURCE_DIR}/core/random.cpp PROPERTIES COMPILE_OPTIONS -fno-trapping-math)
imago_library(kernels SOURCES ${cpu_objects} LINKS imago_core)
target_compile_definitions(imago_kernels PRIVATE ${cpu_isa_definitions})
imago_library(autograd LINKS imago_kernels)
imago_library(nn LINKS imago_autograd USES imago_json)
imago_library(data LINKS imago_core USES imago_json imago_stb imago_fmt)
imago_library(diffusion LINKS imago_nn imago_data USES imago_json)

# What users link: all of it under one name.
add_library(imago INTERFACE)
add_library(imago::imago ALIAS imago)
get_property(libraries GLOBAL PROPERTY IMAGO_LIBRARIES)
target_link_libraries(imago INTERFACE ${libraries})
