# The kernels are compiled once per instruction set. Code that two of the copies shared, or shared with the rest of the
# library, would be merged by the linker, and an old machine might get the version for a new one: so every symbol that
# an object for `ISA` offers to others has to name its own namespace. Run as:
#   cmake -D ISA=avx2 -D NM=nm "-D OBJECTS=a.o;b.o" -P check_isa_symbols.cmake
cmake_minimum_required(VERSION 3.22)

# Sets `out` to the lines of `nm -C --defined-only` that may be merged with other code.
function(shared_symbols lines out)
  set(found "")
  foreach(line ${lines})
    if(line MATCHES "^[0-9a-f]+ [A-Zu] " AND NOT line MATCHES "cpu_${ISA}|Eigen_${ISA}"
       AND NOT line MATCHES " (DW\\.ref\\.|__odr_asan|__clang_call_terminate)")
      list(APPEND found "${line}")
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# First it has to notice what is planted here.
shared_symbols("0000000000000000 W std::vector<float>::push_back(float&&)" found)
if(NOT found)
  message(FATAL_ERROR "check_isa_symbols does not notice a shared symbol")
endif()
set(fine "0000000000000000 W imago::kernels::cpu_${ISA}::axpy(imago::kernels::Axpy const&)" "0000000000000010 t local")
shared_symbols("${fine}" found)
if(found)
  message(FATAL_ERROR "check_isa_symbols forbids what is fine: ${found}")
endif()

set(bad 0)
list(LENGTH OBJECTS count)
foreach(object ${OBJECTS})
  execute_process(COMMAND ${NM} -C --defined-only ${object} OUTPUT_VARIABLE text RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(REPLACE ";" "," text "${text}")
  string(REPLACE "[" "(" text "${text}")  # brackets would keep CMake from splitting the list
  string(REPLACE "]" ")" text "${text}")
  string(REPLACE "\n" ";" lines "${text}")
  shared_symbols("${lines}" found)
  foreach(symbol ${found})
    message("${object}: ${symbol}")
    math(EXPR bad "${bad} + 1")
  endforeach()
endforeach()
if(bad OR count LESS 2)
  message(FATAL_ERROR "${bad} symbols of ${count} objects for ${ISA} are outside of imago::kernels::cpu_${ISA}")
endif()
message("${count} objects for ${ISA}: every symbol is in its own namespace")
