#!/usr/bin/env bash
# shellcheck disable=SC2317 # called by name: check
# Inspects each package: files, their owners and modes, its description and its dependencies.
#
# usage: tests/packages/contents.sh FOLDER_OF_PACKAGES

set -u
shopt -s nullglob
folder=$1
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=SCRIPTDIR/skip.sh
source "$here/skip.sh"

need_program dpkg-deb dpkg-gensymbols dpkg-parsechangelog readelf gzip
need_packages "$folder"
folder=$(realpath "$folder")
source_folder=$(realpath "$here/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lib=usr/lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)
said=$work/said
# shellcheck source=SCRIPTDIR/../support/check.sh
source "$here/../support/check.sh"

package() { echo "$folder/$1"_*.deb; }
field() { dpkg-deb -f "$(package "$1")" "$2"; }
has_field() { # PACKAGE FIELD PATTERN
  local value
  value=$(field "$1" "$2")
  echo "$2: $value"
  # shellcheck disable=SC2053 # a pattern it is
  [[ $value == $3 ]]
}

# PACKAGE, with its files on standard input; links show where they lead. /lib is /usr/lib.
has_these_files_alone() {
  diff -u --label expected --label packaged <(grep . | sort) \
    <(cd "$work/$1" && find . -type f -printf '%P\n' -o -type l -printf '%P -> %l\n' |
      sed 's|^lib/|usr/lib/|' | sort)
}
upstream_changelog() { # PACKAGE
  [[ ! -f $source_folder/CHANGELOG.md ]] || echo "usr/share/doc/$1/changelog.gz"
}
manual_pages() { # SECTION...
  local section page
  for section in "$@"; do
    for page in "$source_folder"/docs/man/*."$section"; do
      echo "usr/share/man/man$section/${page##*/}.gz"
    done
  done
}
protocol_page() { # made by the build, where lowdown is
  ! command -v lowdown >/dev/null || echo "usr/share/man/man7/locket-protocol.7.gz"
}
completions() {
  local file program
  for file in "$source_folder"/client/ctl/completions/*.fish; do
    program=$(basename "$file" .fish)
    echo "usr/share/bash-completion/completions/$program"
    echo "usr/share/zsh/vendor-completions/_$program"
    echo "usr/share/fish/vendor_completions.d/$program.fish"
  done
}
control_files_are() { # PACKAGE NAME...
  diff -u --label expected --label packaged <(printf '%s\n' "${@:2}" | sort) \
    <(find "$work/$1.control" -type f -printf '%P\n' | sort)
}

# A file that is neither a program nor a link has mode 0644, everything else 0755, and root owns
# all.
modes_are_plain() { # PACKAGE
  ! dpkg-deb -c "$(package "$1")" |
    grep -vE '^(d|-)rwxr-xr-x root/root .* \./($|.*/$|usr/s?bin/)|^-rw-r--r-- root/root |^l.* root/root '
}
is_stripped() { # FILE
  ! readelf -SW "$1" | grep -E '\.(debug_|symtab|comment)'
}
# Addresses that cannot be guessed, none that can be written later, and checks at run time.
is_guarded() { # FILE
  local facts fact
  facts=$(readelf -W --file-header --dynamic --program-headers --dyn-syms "$1")
  for fact in 'DYN (' GNU_RELRO 'FLAGS.*NOW' __stack_chk_fail '__[a-z]*_chk@'; do
    grep -q -- "$fact" <<<"$facts" || {
      echo "no $fact"
      return 1
    }
  done
}
has_no_debug_sections() { ! readelf -SW "$1" 2>/dev/null | grep -F .debug_; }
tells_not_where_it_was_built() { ! grep -rlF "$source_folder" "$1"; }
is_changelog_of() { # PACKAGE
  gzip -dc "$work/$1/usr/share/doc/$1/changelog.Debian.gz" >"$work/changelog" &&
    [[ $(dpkg-parsechangelog -l "$work/changelog" -S Version) == "$(field "$1" Version)" ]]
}
is_control_text() { # PACKAGE FILE TEXT
  diff <(printf '%s\n' "$3") "$work/$1.control/$2"
}
# At the strictest level: no symbol or library more, and none less. It must run in a source package.
symbols_are_right() (
  mkdir "$work/debian"
  printf '%s\n' 'Source: locket' '' 'Package: liblocket0' 'Architecture: any' >"$work/debian/control"
  cd "$work" || return
  dpkg-gensymbols -c4 -pliblocket0 -P"$work/liblocket0" -v"$(field liblocket0 Version)" \
    -e"$work/liblocket0/$lib"/liblocket.so.0 -I"$work/liblocket0.control/symbols" -O"$work/symbols" &&
    grep -q 'locket_acquire@LOCKET_0' "$work/symbols"
)
needs_no_liblocket() { ! readelf -d "$1" | grep -F liblocket; }
starts_what_is_packaged() { # UNIT
  local program
  program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$1")
  [[ -x $work/locketd$program ]]
}

for name in locketd liblocket0 liblocket-dev; do
  check "$name: can be unpacked" dpkg-deb -x "$(package $name)" "$work/$name"
  dpkg-deb -e "$(package $name)" "$work/$name.control"
  check "$name: owners and modes" modes_are_plain $name
  check "$name: the changelog's version is the package's" is_changelog_of $name
  check "$name: says where it comes from" has_field $name Source locket
  check "$name: has a long description" test "$(field $name Description | wc -l)" -ge 4
  check "$name: tells not where it was built" tells_not_where_it_was_built "$work/$name"
done

check "locketd: files" has_these_files_alone locketd <<END
usr/bin/locketctl
usr/sbin/locketd
usr/lib/systemd/system/locketd.service
usr/lib/systemd/system/locketd.socket
usr/lib/systemd/user/locketd.service
usr/lib/systemd/user/locketd.socket
usr/share/doc/locketd/changelog.Debian.gz
usr/share/doc/locketd/copyright
usr/share/doc/locketd/locketd.conf.example
usr/share/lintian/overrides/locketd
$(upstream_changelog locketd)
$(manual_pages 1 8)
$(completions)
END
check "locketd: control files" control_files_are locketd control md5sums postinst prerm postrm
check "locketd: depends on the C library alone" has_field locketd Depends 'libc6 (>= +([0-9.]))'
check "locketd: and not on liblocket" needs_no_liblocket "$work/locketd/usr/bin/locketctl"
check "locketd: section" has_field locketd Section admin
for program in usr/bin/locketctl usr/sbin/locketd; do
  check "locketd: $program is stripped" is_stripped "$work/locketd/$program"
  check "locketd: $program is guarded" is_guarded "$work/locketd/$program"
  check "locketd: $program runs" "$work/locketd/$program" --version
done
for manager in system user; do
  check "locketd: the $manager unit starts it" \
    starts_what_is_packaged "$(find "$work/locketd" -path "*/$manager/locketd.service")"
done

check "liblocket0: files" has_these_files_alone liblocket0 <<END
$lib/liblocket.so.0 -> liblocket.so.0.1.0
$lib/liblocket.so.0.1.0
usr/share/doc/liblocket0/changelog.Debian.gz
usr/share/doc/liblocket0/copyright
usr/share/lintian/overrides/liblocket0
$(upstream_changelog liblocket0)
END
check "liblocket0: control files, and no script" \
  control_files_are liblocket0 control md5sums shlibs symbols triggers
check "liblocket0: may be installed for several architectures" has_field liblocket0 Multi-Arch same
check "liblocket0: shlibs" is_control_text liblocket0 shlibs \
  "liblocket 0 liblocket0 (>= $(field liblocket0 Version))"
check "liblocket0: triggers" is_control_text liblocket0 triggers 'activate-noawait ldconfig'
check "liblocket0: symbols" symbols_are_right
check "liblocket0: is stripped" is_stripped "$work/liblocket0/$lib/liblocket.so.0"
check "liblocket0: is guarded" is_guarded "$work/liblocket0/$lib/liblocket.so.0"

check "liblocket-dev: files" has_these_files_alone liblocket-dev <<END
usr/include/locket/locket.h
usr/include/locket/locket.hpp
$lib/liblocket.a
$lib/liblocket.so -> liblocket.so.0
$lib/cmake/locket/locketConfig.cmake
$lib/cmake/locket/locketConfigVersion.cmake
$lib/cmake/locket/locketTargets-relwithdebinfo.cmake
$lib/cmake/locket/locketTargets.cmake
$lib/pkgconfig/locket.pc
usr/share/doc/liblocket-dev/changelog.Debian.gz
usr/share/doc/liblocket-dev/copyright
usr/share/lintian/overrides/liblocket-dev
$(upstream_changelog liblocket-dev)
$(manual_pages 3)
$(protocol_page)
END
check "liblocket-dev: depends on the very library" \
  has_field liblocket-dev Depends "liblocket0 (= $(field liblocket0 Version))"
check "liblocket-dev: section" has_field liblocket-dev Section libdevel
check "liblocket-dev: the archive has no debug sections" has_no_debug_sections "$work/liblocket-dev/$lib/liblocket.a"

exit $((failures != 0))
