# sublab_cuda_objects: the CUDA kernels as objects, which need nvcc and no torch. SUBLAB_CUDA makes them
# part of sublab_models. SUBLAB_CUDA_OBJECTS, which ./test asks for, compiles them on every machine
# with a working nvcc and links them nowhere, so that whoever breaks them sees it.
if(NOT SUBLAB_CUDA)
  if(NOT SUBLAB_CUDA_OBJECTS)
    return()
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    message(STATUS "no working nvcc: the CUDA kernels are not compiled")
    return()
  endif()
endif()

set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90)
endif()
enable_language(CUDA)
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/models/*.cu)
add_library(sublab_cuda_objects OBJECT ${cuda_sources})
target_include_directories(sublab_cuda_objects PRIVATE ${CMAKE_SOURCE_DIR})
if(NOT SUBLAB_CUDA)  # what is only compiled is compiled for the cards that bench/gpu meets as well
  target_compile_options(sublab_cuda_objects PRIVATE --generate-code=arch=compute_90a,code=sm_90a)
endif()
if(NOT SUBLAB_CARRIED)  # another machine's compiler may warn of more
  target_compile_options(sublab_cuda_objects PRIVATE --Werror=all-warnings -Xcompiler=-Wall,-Wextra)
endif()
