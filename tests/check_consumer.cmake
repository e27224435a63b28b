# Installs the build, and configures, builds and runs tests/consumer with what was installed and nothing else. Run as:
#   cmake -D BUILD=<build folder> -D SOURCE=<tests/consumer> -D WORK=<scratch> -D FLAGS=<compiler flags> ...
#     -P check_consumer.cmake
cmake_minimum_required(VERSION 3.22)

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    message(FATAL_ERROR "${what} failed:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run("install" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run("configure" ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
    -D CMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS=${FLAGS}" -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run("build" ${CMAKE_COMMAND} --build ${WORK}/build)
run("the program" ${WORK}/build/consumer)
if(NOT output MATCHES "gradient: 2 4 6")
  message(FATAL_ERROR "the program said: ${output}")
endif()
message("${output}")
