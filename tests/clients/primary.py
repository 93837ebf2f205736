"""Holds the packages of two repositories against each other, field by field, as createrepo_c's own library reads them."""

import sys
import tempfile
import urllib.request

import createrepo_c

FIELDS = [name for name in dir(createrepo_c.Package) if not name.startswith("_") and name != "copy"]


def metadata(url, folder):
    """The files of a repository's metadata, by kind."""

    def fetched(path):
        file = f"{folder}/{path.rsplit('/', 1)[-1]}"
        urllib.request.urlretrieve(url + path, file)
        return file

    repomd = createrepo_c.Repomd(fetched("repodata/repomd.xml"))
    return {record.type: fetched(record.location_href) for record in repomd.records}


def packages(url):
    """What a repository says of its packages, by their checksums."""
    found = {}

    def keep(package):
        found[package.pkgId] = package

    def known(pkg_id, _name, _arch):
        return found[pkg_id]

    with tempfile.TemporaryDirectory() as folder:
        files = metadata(url, folder)
        createrepo_c.xml_parse_primary(files["primary"], pkgcb=keep, do_files=False)
        createrepo_c.xml_parse_filelists(files["filelists"], newpkgcb=known)
        createrepo_c.xml_parse_other(files["other"], newpkgcb=known)
    return {pkg_id: {name: shown(getattr(package, name)) for name in FIELDS} for pkg_id, package in found.items()}


def shown(value):
    return value() if callable(value) else value


upstream, mirror = map(packages, sys.argv[1:])
assert upstream.keys() == mirror.keys(), upstream.keys() ^ mirror.keys()
for pkg_id, package in upstream.items():
    for name, value in package.items():
        assert value == mirror[pkg_id][name], (package["name"], name, value, mirror[pkg_id][name])
print(f"{len(upstream)} packages, no difference")
