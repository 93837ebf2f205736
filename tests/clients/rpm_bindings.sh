# The rpm plugin by programs in Python: the bindings to the original's API.

. "$STORIES/rpms.sh"
build bear 4.1
build bear 4.2
build wolf 9.4 'Requires: bear >= 4.1' 'Recommends: owl'
says done python -B "$STORIES/rpm_bindings.py" top/RPMS/noarch
echo the end
