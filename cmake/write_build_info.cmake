execute_process(COMMAND git -C ${SOURCE} rev-parse HEAD OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
set(dirty false)
if(failed)
  # A copy without .git may be told: COMMIT=HASH, or HASH+ where files differed from it.
  set(commit unknown)
  if(COMMIT MATCHES "^([0-9a-f]+)(\\+?)$")
    set(commit ${CMAKE_MATCH_1})
    if(CMAKE_MATCH_2)
      set(dirty true)
    endif()
  endif()
else()
  execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no OUTPUT_VARIABLE changes)
  if(changes)
    set(dirty true)
  endif()
endif()
string(STRIP "${FLAGS}" FLAGS)
set(text "#include \"core/build_info.h\"

const sublab::BuildInfo& sublab::build_info() {
  static const BuildInfo info{\"${commit}\", ${dirty}, \"${COMPILER}\", \"${FLAGS}\", \"${BUILD_TYPE}\", \"${LIBTORCH}\"};
  return info;
}
")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
