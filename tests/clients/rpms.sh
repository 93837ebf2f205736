# Packages for the stories, built by rpmbuild into top/RPMS/noarch.

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
