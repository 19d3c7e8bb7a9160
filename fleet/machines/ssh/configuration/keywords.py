"""Keywords of ssh_config(5), in lower case as `ssh -G` prints them: which are followed, refused, or left alone.

Sources: ssh_config(5) of OpenSSH 9.2 with Debian's patches (GSSAPI), and readconf.c of newer versions. A keyword that is in
none of them is refused where it is set (`settings.unknown`).
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOLLOWED = _words("""
    addressfamily bindaddress casignaturealgorithms certificatefile checkhostip ciphers connecttimeout controlpath
    globalknownhostsfile host hostkeyalgorithms hostkeyalias hostname identitiesonly identityagent identityfile
    kexalgorithms macs port preferredauthentications proxycommand proxyjump proxyusefdpass pubkeyacceptedalgorithms
    pubkeyauthentication requiredrsasize revokedhostkeys serveraliveinterval user userknownhostsfile""")
REFUSED: Mapping[str, str] = {
    "bindinterface": "name its address with BindAddress",
    "knownhostscommand": "write its keys into a file, and name that in UserKnownHostsFile",
    "pkcs11provider": "add its keys to an agent: ssh-add -s",
    "refuseconnection": "it forbids the connection",
}
"""With the remedy; where they are set to anything but `none`."""
LEFT_ALONE = _words("""
    addkeystoagent batchmode canonicaldomains canonicalizefallbacklocal canonicalizehostname canonicalizemaxdots
    canonicalizepermittedcnames channeltimeout clearallforwardings compression connectionattempts controlmaster
    controlpersist dynamicforward enableescapecommandline enablesshkeysign escapechar exitonforwardfailure
    fingerprinthash forkafterauthentication forwardagent forwardx11 forwardx11timeout forwardx11trusted gatewayports
    gssapiauthentication gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms gssapikeyexchange
    gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns hashknownhosts hostbasedacceptedalgorithms
    hostbasedauthentication ignoreunknown ipqos kbdinteractiveauthentication kbdinteractivedevices localcommand
    localforward loglevel logverbose nohostauthenticationforlocalhost numberofpasswordprompts obscurekeystroketiming
    passwordauthentication permitlocalcommand permitremoteopen rekeylimit remotecommand remoteforward requesttty
    securitykeyprovider sendenv serveralivecountmax sessiontype setenv stdinnull streamlocalbindmask
    streamlocalbindunlink stricthostkeychecking syslogfacility tag tcpkeepalive tunnel tunneldevice updatehostkeys
    verifyhostkeydns versionaddendum visualhostkey warnweakcrypto xauthlocation""")
"""fleet runs its own commands, asks nobody, forwards nothing, adds no keys, shares no connection; names were made canonical
by ssh before it printed them. Some are told where a host or a key is refused (`Settings.host_notes`, `login_notes`)."""
