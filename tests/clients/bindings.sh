# Programs in Python: the bindings to the API, and oras.

. "$STORIES/images.sh"
image app hello
log_in
copy --preserve-digests oci:app "docker://$host/team/app:1.0"
copy --preserve-digests oci:app "docker://$host/team/app:2.0"
says done python -B "$STORIES/container_bindings.py"
says done python "$STORIES/artifacts.py"
echo the end
