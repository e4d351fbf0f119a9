# What `cmake --install` installs for programs that link liblocket, found by find_package(locket) or
# pkg-config. Installed if the project is built for itself, or on request. What a program needs to
# run is one component, what it needs to be built another.

if(NOT LOCKET_INSTALL)
  return()
endif()

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/locket)
set(generated ${CMAKE_CURRENT_BINARY_DIR}/package)

install(TARGETS locket locket_static EXPORT locket_targets
        LIBRARY COMPONENT liblocket NAMELINK_COMPONENT liblocket-dev ARCHIVE COMPONENT liblocket-dev)
install(FILES include/locket/locket.h include/locket/locket.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/locket COMPONENT liblocket-dev)
install(EXPORT locket_targets NAMESPACE locket:: FILE locketTargets.cmake
        DESTINATION ${package_folder} COMPONENT liblocket-dev)

configure_package_config_file(locketConfig.cmake.in ${generated}/locketConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${generated}/locketConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${generated}/locketConfig.cmake ${generated}/locketConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT liblocket-dev)

# Full names, since they may have been given as absolute paths.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
file(RELATIVE_PATH prefix_to_include ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
file(RELATIVE_PATH prefix_to_lib ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
configure_file(locket.pc.in ${generated}/locket.pc @ONLY)
install(FILES ${generated}/locket.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT liblocket-dev)
