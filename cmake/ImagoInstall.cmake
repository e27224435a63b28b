# cmake --install: the libraries, the public headers under include/imago, and what find_package(imago) reads. Headers
# include each other from the root of the tree ("core/tensor.h"), so include/imago is what users get as include folder.
include_guard()
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY IMAGO_LIBRARIES)
install(TARGETS imago ${libraries} EXPORT imagoTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(library ${libraries})
  string(REPLACE imago_ "" folder ${library})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/imago
          FILES_MATCHING PATTERN "*.h" PATTERN "*.def"
          PATTERN kernels/cpu EXCLUDE PATTERN kernels/cuda EXCLUDE PATTERN kernels/simt EXCLUDE
          PATTERN kernels/math.h EXCLUDE)
endforeach()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/imago)
install(EXPORT imagoTargets NAMESPACE imago:: DESTINATION ${package})
if(TARGET imago_cuda)
  set(cuda_dependency "find_dependency(CUDAToolkit)\n")
endif()
file(WRITE ${PROJECT_BINARY_DIR}/imagoConfig.cmake
"include(CMakeFindDependencyMacro)
find_dependency(Threads)
${cuda_dependency}include(\${CMAKE_CURRENT_LIST_DIR}/imagoTargets.cmake)
")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/imagoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/imagoConfig.cmake ${PROJECT_BINARY_DIR}/imagoConfigVersion.cmake
        DESTINATION ${package})
