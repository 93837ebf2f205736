# Packages for the stories, built by rpmbuild into top/RPMS/noarch, and machines on which dnf installs them.

# build NAME VERSION LINE…: a package with one file, and these lines of the specification.
build() {
    local name=$1 version=$2
    shift 2
    printf '%s\n' "Name: $name" "Version: $version" 'Release: 1' "Summary: A $name & more" 'License: MIT' \
        'BuildArch: noarch' "$@" '%description' "All about the $name." '%install' \
        "mkdir -p %{buildroot}/usr/share/zoo && echo $version > %{buildroot}/usr/share/zoo/$name" \
        '%files' "/usr/share/zoo/$name" '%changelog' '* Tue Jan 02 2024 A Keeper <keeper@example.test>' '- Fed' \
        > "$name.spec"
    rpmbuild --quiet -bb --define "_topdir $PWD/top" "$name.spec"
}

# machine FOLDER: one with a root and settings of its own.
machine() {
    local place
    mkdir -p "$1"/{root,repos}
    place=$(cd "$1" && pwd)
    printf '[main]\nreposdir=%s\ncachedir=%s\nlogdir=%s\npersistdir=%s\n' "$place"/{repos,cache,log,persist} \
        > "$1/dnf.conf"
}

# dnf_on FOLDER ARGUMENT…: dnf on that machine. Whoever is not root is it in there. Debian's plugin `local` keeps what was
# downloaded once, for all roots.
dnf_on() {
    local place as_root=()
    place=$(cd "$1" && pwd)
    shift
    [[ $EUID == 0 ]] || as_root=(unshare --map-root-user)
    "${as_root[@]}" env dnf --quiet --assumeyes --config "$place/dnf.conf" --installroot "$place/root" --releasever 1 \
        --disableplugin local --setopt=module_platform_id=platform:zoo1 --forcearch x86_64 "$@"
}
