# Run by CPack after it has installed each component to a folder of its own and before it makes
# packages of them: adds and changes what a Debian package has and a plain `cmake --install` lacks.

# Any other kind of archive is what `cmake --install` installs, for any prefix.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()
if(NOT CPACK_LOCKET_CONFIGURED_PREFIX STREQUAL CPACK_PACKAGING_INSTALL_PREFIX)
  message(FATAL_ERROR "The packages are for ${CPACK_PACKAGING_INSTALL_PREFIX}, and this build has been "
    "configured for ${CPACK_LOCKET_CONFIGURED_PREFIX}: cmake --workflow --preset packages")
endif()
find_program(GZIP gzip REQUIRED)
find_program(STRIP strip REQUIRED)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(make_readable pattern)  # whatever the umask is
  file(GLOB files ${pattern})
  file(CHMOD ${files} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

function(open_folders root)
  file(GLOB_RECURSE paths LIST_DIRECTORIES true ${root}/*)
  foreach(path IN LISTS paths)
    if(IS_DIRECTORY ${path} AND NOT IS_SYMLINK ${path})
      file(CHMOD ${path} PERMISSIONS
        OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    endif()
  endforeach()
endfunction()

# Without name and time, so that the same content gives the same package.
function(compress)
  if(ARGN)
    run(${GZIP} -9nf ${ARGN})
  endif()
endfunction()

set(debian ${CPACK_LOCKET_SOURCE_DIR}/packaging/debian)

function(add_documents folder)
  file(MAKE_DIRECTORY ${folder})
  file(COPY ${debian}/copyright DESTINATION ${folder})
  file(COPY_FILE ${debian}/changelog ${folder}/changelog.Debian)
  if(EXISTS ${CPACK_LOCKET_SOURCE_DIR}/CHANGELOG.md)
    file(COPY_FILE ${CPACK_LOCKET_SOURCE_DIR}/CHANGELOG.md ${folder}/changelog)
    compress(${folder}/changelog)
  endif()
  compress(${folder}/changelog.Debian)
  make_readable(${folder}/*)
endfunction()

function(add_overrides folder package)
  file(MAKE_DIRECTORY ${folder})
  file(COPY_FILE ${debian}/lintian-overrides ${folder}/${package})
  make_readable(${folder}/${package})
endfunction()

# As dh_strip(1) does.
function(strip_binaries root)
  set(sections --remove-section=.comment --remove-section=.note)
  file(GLOB programs ${root}/usr/bin/* ${root}/usr/sbin/*)
  foreach(program IN LISTS programs)
    run(${STRIP} ${sections} ${program})
  endforeach()
  file(GLOB_RECURSE libraries ${root}/usr/lib/*.so.*)
  foreach(library IN LISTS libraries)
    if(NOT IS_SYMLINK ${library})
      run(${STRIP} ${sections} --strip-unneeded ${library})
    endif()
  endforeach()
  file(GLOB_RECURSE archives ${root}/usr/lib/*.a)
  foreach(archive IN LISTS archives)
    run(${STRIP} --strip-debug --enable-deterministic-archives --remove-section=.comment ${archive})
  endforeach()
endfunction()

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component})
  string(TOUPPER ${component} name)
  set(package ${CPACK_DEBIAN_${name}_PACKAGE_NAME})
  add_documents(${root}/usr/share/doc/${package})
  add_overrides(${root}/usr/share/lintian/overrides ${package})
  file(GLOB_RECURSE pages ${root}/usr/share/man/*.[0-9])
  compress(${pages})
  strip_binaries(${root})
  open_folders(${root})
endforeach()
