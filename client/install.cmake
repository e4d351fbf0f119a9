# What `cmake --install` lays down for programs that link liblocket: by find_package(locket) or by
# pkg-config. Installed where the project is built for itself, or on demand.

option(LOCKET_INSTALL "Generate the install target" ${PROJECT_IS_TOP_LEVEL})
if(NOT LOCKET_INSTALL)
  return()
endif()

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/locket)
set(generated ${CMAKE_CURRENT_BINARY_DIR}/package)

# By itself: cmake --install BUILD --component library
install(TARGETS locket locket_static EXPORT locket_targets
        LIBRARY COMPONENT library ARCHIVE COMPONENT library)
install(FILES include/locket/locket.h include/locket/locket.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/locket COMPONENT library)
install(EXPORT locket_targets NAMESPACE locket:: FILE locketTargets.cmake
        DESTINATION ${package_folder} COMPONENT library)

configure_package_config_file(locketConfig.cmake.in ${generated}/locketConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${generated}/locketConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${generated}/locketConfig.cmake ${generated}/locketConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT library)

file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(locket.pc.in ${generated}/locket.pc @ONLY)
install(FILES ${generated}/locket.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT library)
