# Run by CPack on the packages it has made, for two things that it offers no other way to do. A
# package with a library in a folder that ldconfig(8) reads gets scripts that call ldconfig,
# although a trigger does that; and no package can be declared co-installable with itself for
# another architecture.

if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()
find_program(DPKG_DEB dpkg-deb REQUIRED)

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(package IN LISTS CPACK_PACKAGE_FILES)
  set(content ${package}.content)
  file(REMOVE_RECURSE ${content})
  run(${DPKG_DEB} --raw-extract ${package} ${content})

  set(multi_arch foreign)
  if(package MATCHES "/liblocket[^/]*$")
    set(multi_arch same)
    file(REMOVE ${content}/DEBIAN/postinst ${content}/DEBIAN/postrm)
  endif()
  file(READ ${content}/DEBIAN/control control)
  string(REGEX REPLACE "(^|\n)(Architecture: [^\n]*)" "\\1\\2\nMulti-Arch: ${multi_arch}" control "${control}")
  file(WRITE ${content}/DEBIAN/control "${control}")

  run(${DPKG_DEB} --build --root-owner-group -Zxz ${content} ${package})
  file(REMOVE_RECURSE ${content})
endforeach()
