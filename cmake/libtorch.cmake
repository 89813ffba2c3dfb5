# LibTorch::torch, from the folder SUBLAB_LIBTORCH (which holds include/ and lib/, as in a wheel's
# torch/ folder or an unpacked LibTorch). The `sublab` wrapper finds or installs it.
if(NOT SUBLAB_LIBTORCH)
  set(SUBLAB_LIBTORCH ${CMAKE_SOURCE_DIR}/.deps/libtorch/torch CACHE PATH "folder of LibTorch")
endif()
if(NOT EXISTS ${SUBLAB_LIBTORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "no LibTorch in ${SUBLAB_LIBTORCH}; run ./sublab doctor, or pass -DSUBLAB_LIBTORCH=DIR")
endif()
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${SUBLAB_LIBTORCH}/include/torch/headeronly/version.h line REGEX "define TORCH_VERSION_${part} ")
  string(REGEX MATCH "[0-9]+$" number "${line}")
  list(APPEND version_parts ${number})
endforeach()
list(JOIN version_parts . SUBLAB_LIBTORCH_VERSION)

if(SUBLAB_CUDA)
  # The form that ./sublab installs, which it marks with a stamp, lacks what libtorch_cuda links.
  if(NOT EXISTS ${SUBLAB_LIBTORCH}/lib/libtorch_cuda.so OR EXISTS ${SUBLAB_LIBTORCH}/../stamp)
    message(FATAL_ERROR "${SUBLAB_LIBTORCH} is a CPU form of LibTorch. For SUBLAB_CUDA: pip install "
      "torch==2.11.0 (with its dependencies), then pass -DSUBLAB_LIBTORCH=<site-packages>/torch")
  endif()
  # find_package(Torch) would look for the whole toolkit, and for a card to know its architecture. The
  # runtime is the one that libtorch_cuda itself loads, where it came along: there must be one only.
  find_package(CUDAToolkit REQUIRED)
  file(GLOB wheels_runtime ${SUBLAB_LIBTORCH}/../nvidia/cu*/lib/libcudart.so.* ${SUBLAB_LIBTORCH}/lib/libcudart*.so*)
  if(wheels_runtime)
    list(GET wheels_runtime 0 cuda_runtime)
  else()
    set(cuda_runtime ${CUDA_cudart_LIBRARY})
  endif()
  get_filename_component(cuda_runtime_folder ${cuda_runtime} DIRECTORY)
  file(GLOB wheels_folders ${SUBLAB_LIBTORCH}/../nvidia/*/lib)
  file(GLOB wheels_headers ${SUBLAB_LIBTORCH}/../nvidia/*/include)
  list(JOIN wheels_folders : wheels_folders)
  add_library(LibTorch::torch INTERFACE IMPORTED)
  target_include_directories(LibTorch::torch SYSTEM INTERFACE
    ${SUBLAB_LIBTORCH}/include ${SUBLAB_LIBTORCH}/include/torch/csrc/api/include
    ${CUDAToolkit_INCLUDE_DIRS} ${wheels_headers})
  target_link_libraries(LibTorch::torch INTERFACE
    ${SUBLAB_LIBTORCH}/lib/libtorch_cpu.so ${SUBLAB_LIBTORCH}/lib/libc10.so
    ${SUBLAB_LIBTORCH}/lib/libc10_cuda.so ${cuda_runtime})
  target_compile_definitions(LibTorch::torch INTERFACE SUBLAB_CUDA)
  # Nothing of ours names libtorch_cuda, and without it the device vanishes without a word.
  target_link_options(LibTorch::torch INTERFACE
    -Wl,--no-as-needed ${SUBLAB_LIBTORCH}/lib/libtorch_cuda.so
    -Wl,-rpath,${SUBLAB_LIBTORCH}/lib:${cuda_runtime_folder} -Wl,-rpath-link,${wheels_folders})
else()
  # The lean form: find_package(Torch) would ask for nvcc and libtorch_cuda.
  add_library(LibTorch::torch INTERFACE IMPORTED)
  target_include_directories(LibTorch::torch SYSTEM INTERFACE
    ${SUBLAB_LIBTORCH}/include ${SUBLAB_LIBTORCH}/include/torch/csrc/api/include)
  target_link_libraries(LibTorch::torch INTERFACE
    ${SUBLAB_LIBTORCH}/lib/libtorch_cpu.so ${SUBLAB_LIBTORCH}/lib/libc10.so)
  target_link_options(LibTorch::torch INTERFACE
    -Wl,-rpath,${SUBLAB_LIBTORCH}/lib -Wl,-rpath-link,${SUBLAB_LIBTORCH}/../nvidia/cu13/lib)
endif()

# at::parallel_for is a template of a header, and a plain loop in every file that is compiled without OpenMP.
# The wheel's own libgomp.so.1 carries the system's name, so one runtime serves both. (Clang's flag would
# bring a second one.)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "LibTorch's threads are GNU OpenMP's: build with g++, not ${CMAKE_CXX_COMPILER_ID}")
endif()
target_compile_options(LibTorch::torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_options(LibTorch::torch INTERFACE -fopenmp)
