# Downloads MNIST, 11.6 MB in four files, and checks every one of them:
#   cmake -P scripts/fetch_mnist.cmake                      to data/mnist
#   cmake -DDEST=/some/folder -P scripts/fetch_mnist.cmake  to another folder
#   cmake "-DMIRRORS=https://a/mnist;file:///b/mnist" ...   from other places, tried in order
# Files that are already there and right are left alone. What is half loaded never has a final name.
cmake_minimum_required(VERSION 3.22)

# -D works after -P too.
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if("${CMAKE_ARGV${i}}" MATCHES "^-D(DEST|MIRRORS)=(.*)$")
    set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
  endif()
endforeach()
if(NOT DEST)
  set(DEST data/mnist)
endif()
if(NOT MIRRORS)
  set(MIRRORS https://storage.googleapis.com/cvdf-datasets/mnist https://ossci-datasets.s3.amazonaws.com/mnist)
endif()
get_filename_component(DEST "${DEST}" ABSOLUTE)

# name, SHA-256, seconds that it may take. The small ones come first, so that a machine without network knows soon.
set(files
    "t10k-labels-idx1-ubyte.gz|f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6|8"
    "train-labels-idx1-ubyte.gz|3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c|15"
    "t10k-images-idx3-ubyte.gz|8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6|120"
    "train-images-idx3-ubyte.gz|440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609|600")

# Sets `problem` to what went wrong, or to "".
function(fetch url path sha256 seconds)
  set(temporary "${path}.part")
  file(DOWNLOAD "${url}" "${temporary}" STATUS status INACTIVITY_TIMEOUT 10 TIMEOUT ${seconds})
  list(GET status 0 code)
  list(GET status 1 problem)
  if(code EQUAL 0)
    file(SHA256 "${temporary}" found)
    if(found STREQUAL sha256)
      file(RENAME "${temporary}" "${path}")
      set(problem "")
    else()
      set(problem "not the file that was asked for, its SHA-256 is ${found}")
    endif()
  endif()
  file(REMOVE "${temporary}")
  set(problem "${problem}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY "${DEST}")
foreach(entry ${files})
  string(REPLACE "|" ";" entry "${entry}")
  list(GET entry 0 name)
  list(GET entry 1 sha256)
  list(GET entry 2 seconds)
  set(path "${DEST}/${name}")
  if(EXISTS "${path}")
    file(SHA256 "${path}" found)
    if(found STREQUAL sha256)
      message(STATUS "${name} is there")
      continue()
    endif()
  endif()

  set(problems "")
  foreach(mirror ${MIRRORS})
    message(STATUS "${name} from ${mirror}")
    fetch("${mirror}/${name}" "${path}" ${sha256} ${seconds})
    if(NOT problem)
      break()
    endif()
    string(APPEND problems "\n  ${mirror}/${name}: ${problem}")
  endforeach()
  if(problem)
    message(FATAL_ERROR "MNIST could not be downloaded:${problems}\n"
                        "Fetch the four files in some other way and put them in\n  ${DEST}")
  endif()
endforeach()
message(STATUS "MNIST is in ${DEST}")
