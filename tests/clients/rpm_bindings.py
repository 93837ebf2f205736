"""The rpm plugin by the bindings that are made of the original's API: every object that comes back is checked by them."""

import json
import pathlib
import sys

import bindings
from bindings import ended
from pulpcore.client import pulp_rpm, pulpcore

client = bindings.client(pulp_rpm)

repositories = pulp_rpm.RepositoriesRpmApi(client)
versions = pulp_rpm.RepositoriesRpmVersionsApi(client)
remotes = pulp_rpm.RemotesRpmApi(client)
publications = pulp_rpm.PublicationsRpmApi(client)
distributions = pulp_rpm.DistributionsRpmApi(client)
packages = pulp_rpm.ContentPackagesApi(client)
advisories = pulp_rpm.ContentAdvisoriesApi(client)
groups = pulp_rpm.ContentPackagegroupsApi(client)
modules = pulp_rpm.ContentModulemdsApi(client)


def held(repository):
    """The packages of a repository's latest version: names and versions."""
    latest = repositories.read(repository.pulp_href).latest_version_href
    found = packages.list(repository_version=latest, ordering=["name", "evr"]).results
    return [(package.name, package.version) for package in found]


def made(name, **more):
    return repositories.create(pulp_rpm.RpmRpmRepository(name=name, **more))


# Uploads: into a repository by a task, and at once.
zoo = made("zoo", autopublish=True, checksum_type="sha512", compression_type="zstd", repo_config={"gpgcheck": 0})
assert (zoo.checksum_type, zoo.compression_type, zoo.retain_package_versions) == ("sha512", "zstd", 0), zoo
files = sorted(pathlib.Path(sys.argv[1]).glob("*.rpm"))
first = packages.upload(file=str(files[0]), pulp_labels={"city": "Brno"})
assert (first.name, first.version, first.arch, first.pulp_labels) == ("bear", "4.1", "noarch", {"city": "Brno"}), first
assert first.provides == [["bear", "EQ", "0", "4.1", "1", False]] and first.changelogs[0][2] == "- Fed", first
for file in files:
    ended(packages.create(file=str(file), repository=zoo.pulp_href))
assert held(zoo) == [("bear", "4.1"), ("bear", "4.2"), ("wolf", "9.4")], held(zoo)
(wolf,) = packages.list(name="wolf", arch__in=["noarch"]).results
assert wolf.requires == [["bear", "GE", "0", "4.1", None, False]], wolf.requires
assert wolf.recommends == [["owl", None, None, None, None, False]], wolf.recommends

# An advisory, groups and a module.
advisory = {"id": "ZOO-1", "updated_date": "2024-01-02 00:00:00", "issued_date": "2024-01-01 00:00:00", "title": "Bears",
            "description": "Fed", "fromstr": "a@b", "status": "final", "summary": "", "version": "1", "type": "security",
            "severity": "Low", "solution": "", "release": "", "rights": "", "pushcount": "", "references": [],
            "pkglist": [{"name": "zoo", "short": "", "module": None, "packages": [{
                "arch": "noarch", "epoch": "0", "filename": files[1].name, "name": "bear", "version": "4.2", "release": "1",
                "src": "", "sum": "", "sum_type": "", "reboot_suggested": False, "relogin_suggested": False,
                "restart_suggested": False}]}]}
ended(advisories.create(file=("advisory.json", json.dumps(advisory).encode()), repository=zoo.pulp_href))
(advisory,) = advisories.list(id="ZOO-1", severity="Low").results
assert advisory.pkglist[0].packages[0]["name"] == "bear", advisory
comps = b"<comps><group><id>animals</id><name>Animals</name><packagelist><packagereq>bear</packagereq></packagelist></group></comps>"
ended(pulp_rpm.RpmCompsApi(client).rpm_comps_upload(file=("comps.xml", comps), repository=zoo.pulp_href))
(group,) = groups.list().results
assert (group.id, group.packages[0]["name"]) == ("animals", "bear"), group
snippet = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: wolf\n  stream: s\n  version: 1\n  context: c\n  arch: noarch\n..."
ended(modules.create(pulp_rpm.RpmModulemd(
    name="wolf", stream="s", version="1", context="c", arch="noarch", artifacts=["wolf-0:9.4-1.noarch"], dependencies=[],
    packages=[wolf.pulp_href], snippet=snippet, profiles={}, description="Wolves"
)))
(module,) = modules.list(name="wolf").results
assert (module.packages, module.artifacts) == ([wolf.pulp_href], ["wolf-0:9.4-1.noarch"]), module

# Published and distributed, and mirrored from there.
publication = publications.list(repository=zoo.pulp_href).results[0]
assert (publication.checksum_type, publication.compression_type) == ("sha512", "zstd"), publication
task = ended(publications.create(pulp_rpm.RpmRpmPublication(repository=zoo.pulp_href, layout="flat")))
publication = publications.read(task.created_resources[0])
assert publication.layout == "flat", publication
body = pulp_rpm.RpmRpmDistribution(name="zoo", base_path="zoo", publication=publication.pulp_href, generate_repo_config=True)
task = ended(distributions.create(body))
distribution = distributions.read(task.created_resources[0])
assert distribution.base_url.endswith("/zoo/") and distribution.generate_repo_config, distribution
remote = remotes.create(pulp_rpm.RpmRpmRemote(name="zoo", url=distribution.base_url, policy="on_demand"))
assert remote.policy == "on_demand" and not any(field.is_set for field in remote.hidden_fields), remote
mirror = made("mirror", remote=remote.pulp_href)
sync = pulp_rpm.RpmRepositorySyncURL(sync_policy="mirror_complete", skip_types=[])
task = ended(repositories.sync(mirror.pulp_href, sync))
assert {"sync.parsing.packages", "sync.parsing.advisories"} <= {report.code for report in task.progress_reports}, task
assert held(mirror) == held(zoo)
latest = versions.read(repositories.read(mirror.pulp_href).latest_version_href)
assert latest.content_summary.present["rpm.advisory"]["count"] == 1, latest

# Copied with what it requires, taken out, and pruned. By another checksum a package whose file is not here is another unit.
few = made("few")
(wolf,) = packages.list(repository_version=latest.pulp_href, name="wolf").results
assert (wolf.checksum_type, wolf.artifact) == ("sha512", None), wolf
config = [{"source_repo_version": latest.pulp_href, "dest_repo": few.pulp_href, "content": [wolf.pulp_href]}]
ended(pulp_rpm.RpmCopyApi(client).copy_content(pulp_rpm.Copy(config=config, dependency_solving=True)))
assert held(few) == [("bear", "4.2"), ("wolf", "9.4")], held(few)
ended(repositories.modify(few.pulp_href, pulp_rpm.RepositoryAddRemoveContent(remove_content_units=[wolf.pulp_href])))
assert held(few) == [("bear", "4.2")], held(few)
body = pulp_rpm.PrunePackages(repo_hrefs=[zoo.pulp_href], keep_days=0)
group = pulp_rpm.RpmPruneApi(client).prune_packages(body).task_group
groups_of_tasks = pulpcore.TaskGroupsApi(bindings.core)
while (state := groups_of_tasks.read(group)).waiting or state.running or not state.all_tasks_dispatched:
    pass
assert state.completed == len(state.tasks), state
assert held(zoo) == [("bear", "4.2"), ("wolf", "9.4")], held(zoo)
print("done")
