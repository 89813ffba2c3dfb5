# sublab_build_info: core/build_info.h's answer, remade at each build, changed only when it differs.
set(build_info_file ${CMAKE_BINARY_DIR}/generated/build_info.cpp)
set(build_info_command ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${build_info_file}
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    "-DFLAGS=${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE}" -DBUILD_TYPE=${CMAKE_BUILD_TYPE}
    -DLIBTORCH=${SUBLAB_LIBTORCH_VERSION} -DCOMMIT=${SUBLAB_COMMIT} -P ${CMAKE_SOURCE_DIR}/cmake/write_build_info.cmake)
execute_process(COMMAND ${build_info_command})
add_custom_target(build_info_now COMMAND ${build_info_command} BYPRODUCTS ${build_info_file})
add_library(sublab_build_info STATIC ${build_info_file})
target_include_directories(sublab_build_info PRIVATE ${CMAKE_SOURCE_DIR})
add_dependencies(sublab_build_info build_info_now)
