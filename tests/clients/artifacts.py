"""Artifacts by oras: pushed, found by their subject, and pulled back."""

import os
from pathlib import Path

import oras.client
import oras.oci

host = os.environ["URL"].removeprefix("http://")
user, password = os.environ["LOGIN"].split(":")
CONFIG = str(Path("oras.json").absolute())


def log_in():
    """A client; it never asks for another token than its first."""
    client = oras.client.OrasClient(hostname=host, insecure=True)
    client.login(username=user, password=password, hostname=host, tls_verify=False, config_path=CONFIG)
    return client


client = log_in()


def push(tag, *files, **more):
    answer = client.push(target=f"{host}/team/notes:{tag}", config_path=CONFIG, files=[*files], **more)
    assert answer.status_code == 201, answer.text
    return answer.headers["Docker-Content-Digest"]


def pull(reference, folder):
    Path(folder).mkdir()
    return client.pull(target=f"{host}/team/notes{reference}", config_path=CONFIG, outdir=folder)


Path("note.txt").write_text("A note.\n")
Path("large.bin").write_bytes(bytes(range(256)) * 100_000)
Path("folder").mkdir()
Path("folder/inside.txt").write_text("Inside.\n")
annotations = {"org.example.mood": "good"}
digest = push("1.0", "note.txt:text/plain", "large.bin", "folder", manifest_annotations=annotations)
# In pieces, each where the one before has ended.
assert push("pieces", "large.bin", do_chunked=True, chunk_size=10_000_000).startswith("sha256:")

for reference, folder in ((":1.0", "by-tag"), (f"@{digest}", "by-digest")):
    pull(reference, folder)
    assert Path(folder, "note.txt").read_text() == "A note.\n"
    assert Path(folder, "large.bin").read_bytes() == Path("large.bin").read_bytes()
    assert Path(folder, "folder/inside.txt").read_text() == "Inside.\n"
pull(":pieces", "in-pieces")
assert Path("in-pieces/large.bin").read_bytes() == Path("large.bin").read_bytes()

manifest = client.get_manifest(f"{host}/team/notes:1.0")
assert manifest["annotations"] == annotations, manifest

# What is about the artifact is found by its digest.
raw = client.do_request(f"http://{host}/v2/team/notes/manifests/{digest}").content
subject = oras.oci.Subject(mediaType=manifest["mediaType"], digest=digest, size=len(raw))
about = push("about", "note.txt:text/plain", subject=subject)
found = client.do_request(f"http://{host}/v2/team/notes/referrers/{digest}").json()
assert [entry["digest"] for entry in found["manifests"]] == [about], found

assert sorted(client.get_tags(f"{host}/team/notes")) == ["1.0", "about", "pieces"]
log_in().delete_tags(f"{host}/team/notes", ["about"])
assert sorted(client.get_tags(f"{host}/team/notes")) == ["1.0", "pieces"]
print("done")
