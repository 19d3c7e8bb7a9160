"""Keywords of ssh_config(5), in lower case as `ssh -G` prints them: which are followed, refused, or ignored.

Sources: ssh_config(5) of OpenSSH 9.2 with Debian's patches (GSSAPI), and readconf.c of newer versions. A keyword that
is in none of them is refused where it is set (`settings.unknown`).
"""

from __future__ import annotations

from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOLLOWED = _names("""
    addressfamily bindaddress casignaturealgorithms certificatefile checkhostip ciphers connecttimeout controlpath
    globalknownhostsfile host hostkeyalgorithms hostkeyalias hostname identitiesonly identityagent identityfile
    kexalgorithms macs port preferredauthentications proxycommand proxyjump proxyusefdpass pubkeyacceptedalgorithms
    pubkeyauthentication requiredrsasize revokedhostkeys serveraliveinterval user userknownhostsfile""")
REFUSED: Mapping[str, str] = {
    "bindinterface": "give its address with BindAddress",
    "knownhostscommand": "write its keys into a file, and use that in UserKnownHostsFile",
    "pkcs11provider": "add its keys to an agent: ssh-add -s",
    "refuseconnection": "it forbids the connection",
}
"""Keywords that are refused where they are set to anything but `none`, each with the remedy."""
LEFT_ALONE = _names("""
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
"""Keywords that are ignored: fleet runs its own commands, never prompts, forwards nothing, adds no keys and shares no
connection; ssh has made names canonical before it printed them. Some are named in the message where a host or a key is
refused (`SshSettings.host_notes`, `login_notes`)."""
