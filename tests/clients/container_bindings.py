"""The container plugin by the bindings that are made of the original's API: every object that comes back is checked by them."""

import os

import bindings
from bindings import ended
from pulpcore.client import pulp_container

client = bindings.client(pulp_container)

repositories = pulp_container.RepositoriesContainerApi(client)
remotes = pulp_container.RemotesContainerApi(client)
distributions = pulp_container.DistributionsContainerApi(client)
manifests = pulp_container.ContentManifestsApi(client)
tags = pulp_container.ContentTagsApi(client)
blobs = pulp_container.ContentBlobsApi(client)

remote = remotes.create(
    pulp_container.ContainerContainerRemote(
        name="upstream", url=os.environ["URL"], upstream_name="team/app", policy="on_demand", includes=["1.*"]
    )
)
assert [field.name for field in remote.hidden_fields][-2:] == ["include_tags", "exclude_tags"], remote.hidden_fields
repository = repositories.create(
    pulp_container.ContainerContainerRepository(name="mirror", remote=remote.pulp_href, description="Copies")
)
body = pulp_container.ContainerRepositorySyncURL(mirror=True)
synced = ended(repositories.sync(repository.pulp_href, body))
assert {report.code for report in synced.progress_reports} >= {"sync.processing.manifest"}, synced.progress_reports
repository = repositories.read(repository.pulp_href)
assert repository.latest_version_href.endswith("/versions/1/")

version = repository.latest_version_href
(tag,) = tags.list(repository_version=version).results
manifest = manifests.read(tag.tagged_manifest)
assert (tag.name, manifest.architecture, manifest.os, manifest.type) == ("1.0", "amd64", "linux", "image")
held = blobs.list(repository_version=version).results
assert {blob.pulp_href for blob in held} == {manifest.config_blob, *manifest.blobs}
assert [found.pulp_href for found in manifests.list(digest=manifest.digest).results] == [manifest.pulp_href]

ended(repositories.tag(repository.pulp_href, pulp_container.TagImage(tag="stable", digest=manifest.digest)))
copies = repositories.create(pulp_container.ContainerContainerRepository(name="copies"))
copy = pulp_container.TagCopy(source_repository=repository.pulp_href, names=["stable"])
ended(repositories.copy_tags(copies.pulp_href, copy))
copies = repositories.read(copies.pulp_href)
assert [tag.name for tag in tags.list(repository_version=copies.latest_version_href).results] == ["stable"]
ended(repositories.untag(copies.pulp_href, pulp_container.UnTagImage(tag="stable")))
ended(repositories.remove(copies.pulp_href, pulp_container.RecursiveManage(content_units=["*"])))

made = ended(
    distributions.create(
        pulp_container.ContainerContainerDistribution(
            name="shelf", base_path="shelf/app", repository=repository.pulp_href, private=True
        )
    )
)
(distribution,) = (distributions.read(href) for href in made.created_resources)
assert distribution.registry_path.endswith("/shelf/app") and distribution.private
ended(distributions.partial_update(
    distribution.pulp_href, pulp_container.PatchedcontainerContainerDistribution(private=False)
))
assert [found.name for found in distributions.list(namespace__name="shelf").results] == ["shelf"]
print("done")
