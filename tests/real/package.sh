#!/usr/bin/env bash
# The Debian package: built twice the same, looked at by lintian, installed, upgraded over a changed configuration, removed, purged.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need dpkg-deb lintian
[ "$(id -u)" -eq 0 ] || fail "packages are installed by root"
! dpkg -s keyhound >/dev/null 2>&1 || fail "a keyhound is installed on this machine, and would be replaced"
purge() { dpkg --purge keyhound >/dev/null 2>&1 || true; }
trap 'purge; clean_up' EXIT

old="$("$root/deploy/debian/build" "$keyhound" "$work/one" 0.0.1)"
again="$("$root/deploy/debian/build" "$keyhound" "$work/two" 0.0.1)"
same "built twice" "$(sha256sum <"$old")" "$(sha256sum <"$again")"
new="$("$root/deploy/debian/build" "$keyhound" "$work/one")"
# Not a package of Debian's own: it closes no bug, and its programs are not listed by their sources.
told="$(lintian --allow-root --fail-on error --tag-display-limit 0 --suppress-tags initial-upload-closes-no-bugs,changelog-file-missing-in-native-package,no-changelog,statically-linked-binary,embedded-library "$new" 2>&1)" ||
  fail "lintian: $told"
install() { DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold "$1" >"$work/dpkg.log" 2>&1 || fail "dpkg: $(cat "$work/dpkg.log")"; }

install "$old"
same "installed" "$(/usr/bin/keyhound --version)" "$("$keyhound" --version)"
same "its configuration" "$(/usr/bin/keyhound check -c /etc/keyhound/keyhound.toml | head -n 1)" "/etc/keyhound/keyhound.toml: sound"
zcat /usr/share/man/man1/keyhound.1.gz | grep 'usage logs' >/dev/null || fail "no manual page"
for file in /lib/systemd/system/keyhound.service /usr/share/keyhound/prometheus/keyhound.alerts.yml /usr/share/doc/keyhound/runbook.md /usr/share/doc/keyhound/keyhound.cdx.json.gz; do
  [ -s "$file" ] || fail "no $file"
done
zcat /usr/share/doc/keyhound/keyhound.cdx.json.gz | grep -x ' "bomFormat": "CycloneDX",' >/dev/null || fail "no list of crates"
verified="$(systemd-analyze verify --man=yes /lib/systemd/system/keyhound.service 2>&1)" || fail "verify: $verified"
same "nothing is started" "$(pgrep -f '^/usr/bin/keyhound ' | wc -l)" 0

sed -i 's/^join_entries_max = .*/join_entries_max = 5/' /etc/keyhound/keyhound.toml
mkdir -p /var/lib/private/keyhound /var/log/private/keyhound
touch /var/lib/private/keyhound/checkpoint
ln -sfn private/keyhound /var/lib/keyhound
install "$new"
same "upgraded" "$(dpkg-query -W -f '${Version}' keyhound)" "$("$keyhound" --version | cut -d ' ' -f 2)"
grep -qx 'join_entries_max = 5' /etc/keyhound/keyhound.toml || fail "the upgrade has changed the configuration"

dpkg --remove keyhound >/dev/null
[ ! -e /usr/bin/keyhound ] || fail "removed, and still there"
{ [ -e /etc/keyhound/keyhound.toml ] && [ -e /var/lib/private/keyhound/checkpoint ]; } || fail "removing took settings or state"
dpkg --purge keyhound >/dev/null
left="$(ls -d /etc/keyhound /etc/default/keyhound* /var/lib/keyhound /var/lib/private/keyhound /var/log/private/keyhound /usr/share/keyhound 2>/dev/null || true)"
same "left after a purge" "$left" ""
echo "ok: package: $(basename "$new"), $(du -k "$new" | cut -f 1) kB, the same twice; installed, upgraded, removed, purged; $(grep -c '^W:' <<<"$told" || true) warnings of lintian"
