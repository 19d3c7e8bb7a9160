# Lists what else would upgrade or reboot this machine, one a line: its kind, a tab, and a sentence with the remedy. The
# last line is "end": without it the search was interrupted. Changes nothing.
#
# fleet/machines/competing_updaters.py and playbooks/tasks/updaters.yaml both run this file, so that both use one list. Units and
# settings are those of the programs' own packages and manuals; where a unit does harm only with some setting, the file
# that was read is named. Needs sh, sed and systemctl; $1: the folder with the machine's files, empty on itself.
root=${1-}

found() { printf '%s\t%s\n' "$1" "$2"; }

# The value that the last of the lines "KEY = VALUE" in these files has, without quotes.
value() {
  key=$1
  shift
  cat "$@" 2>/dev/null | sed -n "s/^[[:space:]]*$key[[:space:]]*=[[:space:]]*[\"']\{0,1\}\([^\"';#[:space:]]*\).*/\1/p" | tail -n 1
}

# Files of /usr/lib, /etc and /run with this ending, by name; one in /run or /etc takes the place of its namesake.
overlaid() {
  for name in $(cd "$root/" && ls "usr/lib/$1" "etc/$1" "run/$1" 2>/dev/null | grep "\.$2\$" | sort -u); do
    for folder in run etc usr/lib; do
      if test -e "$root/$folder/$1/$name"; then
        printf '%s\n' "$root/$folder/$1/$name"
        break
      fi
    done
  done
}

# coreos.github.io/zincati/usage/auto-updates: [updates] enabled = false.
zincati_updates() {
  last=$(for file in $(overlaid zincati/config.d toml); do
    sed -n -e '/^[[:space:]]*\[[[:space:]]*updates[[:space:]]*\]/,/^[[:space:]]*\[/s/^[[:space:]]*enabled[[:space:]]*=[[:space:]]*\([a-z]*\).*/\1/p' \
      -e 's/^[[:space:]]*updates\.enabled[[:space:]]*=[[:space:]]*\([a-z]*\).*/\1/p' "$file"
  done | tail -n 1)
  test "$last" != false
}

# rpm-ostreed.conf(5): none is the default, check only looks.
rpm_ostree_updates() {
  policy=$(value AutomaticUpdatePolicy "$root/etc/rpm-ostreed.conf")
  looked="AutomaticUpdatePolicy=$policy in /etc/rpm-ostreed.conf"
  test "$policy" = stage || test "$policy" = apply || test "$policy" = ex-stage
}

# rebootmgr.conf(5): with the strategy off it ignores all requests.
rebootmgr_reboots() {
  test "$(value strategy "$root/usr/share/rebootmgr/rebootmgr.conf" "$root/etc/rebootmgr.conf" "$root/etc/rebootmgr/rebootmgr.conf" \
    "$root"/etc/rebootmgr/rebootmgr.conf.d/*.conf)" != off
}

# rauc-hawkbit-updater, [client] post_update_reboot.
hawkbit_updates() {
  test "$(value post_update_reboot "$root/etc/rauc-hawkbit-updater/config.conf")" != true ||
    looked="post_update_reboot = true in /etc/rauc-hawkbit-updater/config.conf: it reboots too"
}

# SWUpdate polls a server only in its suricatta mode; otherwise it waits for images that are sent to it.
swupdate_polls() {
  looked="suricatta in /etc/swupdate.cfg, /etc/swupdate or /etc/default/swupdate"
  grep -qrs suricatta "$root/etc/swupdate.cfg" "$root/etc/swupdate" "$root/etc/default/swupdate"
}

# sysupdate.d(5): these folders are of the machine itself; those of sysext images have a name, as in sysupdate.kubernetes.d.
# Flatcar has a noop.conf there, so that the timer runs for its extensions (github.com/flatcar/Flatcar/issues/1983).
sysupdate_of_the_machine() {
  looked="what is in /etc/sysupdate.d or /usr/lib/sysupdate.d"
  ls "$root/etc/sysupdate.d" "$root/run/sysupdate.d" "$root/usr/lib/sysupdate.d" 2>/dev/null |
    grep '\.\(conf\|transfer\)$' | grep -qvx noop.conf
}

# apt.conf(5), of unattended-upgrades: Unattended-Upgrade::Automatic-Reboot "true", also within braces. These
# words are what apt reads as no.
unattended_upgrades_reboot() {
  looked="Unattended-Upgrade::Automatic-Reboot in /etc/apt/apt.conf.d"
  reboot=$(cat "$root"/etc/apt/apt.conf.d/* 2>/dev/null | sed -n -e '/^[[:space:]]*#/d' -e 's,^[[:space:]]*//.*,,' \
    -e 's/.*Automatic-Reboot[[:space:]][[:space:]]*"\{0,1\}\([A-Za-z0-9]*\).*/\1/p' | tail -n 1 | tr A-Z a-z)
  case $reboot in
  "" | false | no | off | without | disable | 0) return 1 ;;
  esac
}

# dnf-automatic: reboot is never, when-changed or when-needed in [commands].
dnf_automatic_reboots() {
  reboot=$(value reboot "$root/etc/dnf/automatic.conf" "$root/etc/dnf/dnf5-plugins/automatic.conf")
  looked="reboot = $reboot in /etc/dnf"
  test -n "$reboot" && test "$reboot" != never
}

# Of Ubuntu Core alone: there a refresh of kernel, base or gadget reboots.
ubuntu_core() {
  looked="ID=ubuntu-core in /etc/os-release"
  test "$(value ID "$root/etc/os-release")" = ubuntu-core
}

always() { :; }

# unit|name|what it does|what tells whether it does|what turns it off, where that is not to disable the unit
table='zincati.service|Zincati (Fedora CoreOS)|upgrades and reboots|zincati_updates
locksmithd.service|locksmith (Flatcar)|reboots|always
rpm-ostreed-automatic.timer|rpm-ostree automatic updates|upgrades|rpm_ostree_updates
bootc-fetch-apply-updates.timer|bootc automatic updates|upgrades and reboots|always
uupd.timer|uupd (Universal Blue)|upgrades|always
ublue-update.timer|ublue-update (Universal Blue)|upgrades|always
transactional-update.timer|the timer of transactional-update|upgrades and reboots|always
os-update.timer|os-update (openSUSE)|upgrades and reboots|always
rebootmgr.service|rebootmgr (openSUSE)|reboots|rebootmgr_reboots
rauc-hawkbit-updater.service|rauc-hawkbit-updater|upgrades|hawkbit_updates
aktualizr.service|aktualizr|upgrades and reboots|always
aktualizr-torizon.service|aktualizr (Torizon)|upgrades and reboots|always
aktualizr-lite.service|aktualizr-lite|upgrades and reboots|always
mender-client.service|the Mender client|upgrades and reboots|always
mender-updated.service|the Mender client|upgrades and reboots|always
swupdate.service|SWUpdate|upgrades|swupdate_polls
eos-autoupdater.timer|the updater of Endless OS|upgrades|always
systemd-sysupdate.timer|systemd-sysupdate|upgrades|sysupdate_of_the_machine
systemd-sysupdate-reboot.timer|systemd-sysupdate-reboot|reboots|always
apt-daily-upgrade.timer|unattended-upgrades|reboots|unattended_upgrades_reboot|have Automatic-Reboot "false" there
dnf-automatic.timer|dnf-automatic|reboots|dnf_automatic_reboots
dnf-automatic-install.timer|dnf-automatic|reboots|dnf_automatic_reboots
dnf5-automatic.timer|dnf-automatic|reboots|dnf_automatic_reboots
snapd.service|snapd|upgrades and reboots|ubuntu_core|snap refresh --hold
rpm-ostreed-automatic.service|rpm-ostree automatic updates|upgrades|always|wait until it has ended
bootc-fetch-apply-updates.service|bootc automatic updates|upgrades and reboots|always|wait until it has ended
uupd.service|uupd (Universal Blue)|upgrades|always|wait until it has ended
transactional-update.service|transactional-update|upgrades and reboots|always|wait until it has ended
os-update.service|os-update (openSUSE)|upgrades and reboots|always|wait until it has ended
eos-updater.service|the updater of Endless OS|upgrades|always|wait until it has ended'

units=$(printf '%s\n' "$table" | sed 's/|.*//')
states=$(systemctl is-active $units 2>/dev/null)
if test "$(printf '%s\n' "$states" | wc -l)" -ne "$(printf '%s\n' "$units" | wc -l)"; then
  echo "systemctl is-active does not report which units are active: $(systemctl is-active $units 2>&1 | head -n 3)" >&2
  exit 1
fi

printf '%s\n' "$table" | {
  set -- $states
  while IFS='|' read -r unit name does condition off; do
    looked="$unit is active"
    case $1 in
    active | activating | reloading | refreshing)
      if "$condition"; then
        found unit "$name $does this machine by itself ($looked): ${off:-systemctl disable --now $unit}"
      fi
      ;;
    inactive | failed | deactivating | maintenance | unknown) ;;
    *)
      echo "systemctl is-active reports a state of $unit that is not known: $1" >&2
      exit 1
      ;;
    esac
    shift
  done
} || exit 1

# An operator's own timers that start a reboot, whatever their name.
for target in reboot.target kexec.target soft-reboot.target poweroff.target halt.target \
  systemd-reboot.service systemd-kexec.service systemd-soft-reboot.service; do
  for unit in $(systemctl show "$target" --property=TriggeredBy 2>/dev/null | sed -n 's/^TriggeredBy=//p'); do
    if test "$(systemctl is-active "$unit" 2>/dev/null)" = active; then
      found unit "$unit starts $target by itself: systemctl disable --now $unit"
    fi
  done
done

# By the name of their process: pods that reboot their node.
processes=$(cat "$root"/proc/[0-9]*/comm 2>/dev/null)
if test -z "$processes"; then
  echo "$root/proc has no process" >&2
  exit 1
fi
for name in kured update-agent; do
  if printf '%s\n' "$processes" | grep -qx "$name"; then
    case $name in
    kured) program="kured" ;;
    *) program="the update operator of Flatcar ($name)" ;;
    esac
    found pod "$program reboots this machine by itself: keep its DaemonSet off this node"
  fi
done

# What `shutdown -r 02:00` or `systemctl reboot --when=` leaves; nothing else shows it. Keys: systemd, src/login/logind-dbus.c.
schedule=$root/run/systemd/shutdown/scheduled
if test -e "$schedule"; then
  case $(value MODE "$schedule") in
  reboot) what="a reboot" ;;
  kexec) what="a reboot by kexec" ;;
  soft-reboot) what="a soft reboot" ;;
  poweroff) what="a power-off" ;;
  halt) what="a halt" ;;
  *) what="a shutdown ($(value MODE "$schedule" | cut -c 1-32))" ;;
  esac
  usec=$(value USEC "$schedule")
  when=$(date -u -d "@${usec%??????}" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null) || when=
  who=$(value UID "$schedule" | sed -n '/^[0-9]*$/p')
  test "$who" != 4294967295 || who=
  name=$(test -n "$who" && sed -n "s/^\([^:]*\):[^:]*:$who:.*/\1/p" "$root/etc/passwd" 2>/dev/null | head -n 1)
  tty=$(value TTY "$schedule")
  why=$(sed -n 's/^WALL_MESSAGE=//p' "$schedule" | tr -cd ' -~' | cut -c 1-120)
  name=${name:-${who:+uid $who}}
  message="$what is scheduled for ${when:-an unknown time} by ${name:-an unknown user}${tty:+ on $tty}${why:+ ($why)}"
  found scheduled "$message: wait until then, or agree with that user to cancel it: shutdown -c"
fi
echo end
