# The machines of the walk-through and the Ignition configuration of each.
#
#   ruby machines.rb FOLDER    writes NAME.ign of every machine, as the Vagrantfile does
require "base64"
require "fileutils"
require "json"
require "securerandom"

module Fleet
  SUBNET = "192.168.56"
  K3S = {
    version: "v1.36.5+k3s1",
    sha256: "d73847bcd3c5fccef0115b372e2f9a91f3032dc84bbf71518a4617565294d313",
  }.freeze
  CARD = "fleet0" # the card between the machines

  # `number` gives its address and the hardware address of its card.
  Machine = Struct.new(:name, :number, :pool, :zone, keyword_init: true) do
    def control?
      pool == "control"
    end

    def address
      "#{SUBNET}.#{number}"
    end

    def mac(separator = "")
      "525400fe00%02x".%(number).scan(/../).join(separator)
    end
  end

  MACHINES = [
    Machine.new(name: "control-1", number: 10, pool: "control", zone: "a"),
    Machine.new(name: "worker-1", number: 21, pool: "workers", zone: "a"),
    Machine.new(name: "worker-2", number: 22, pool: "workers", zone: "b"),
    Machine.new(name: "worker-3", number: 23, pool: "workers", zone: "c"),
  ].freeze

  # What is made once and kept in a folder: the key that logs in, and the word by which workers join.
  class Secrets
    def initialize(folder)
      FileUtils.mkdir_p(folder, mode: 0o700)
      @folder = folder
    end

    def private_key
      path = File.join(@folder, "id_ed25519")
      unless File.exist?(path)
        system("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "fleet-vagrant", "-f", path, exception: true)
      end
      path
    end

    def public_key
      File.read("#{private_key}.pub").strip
    end

    def token
      path = File.join(@folder, "token")
      File.write(path, SecureRandom.hex(32), perm: 0o600) unless File.exist?(path)
      File.read(path)
    end
  end

  # Ignition, specification 3.3. Sources of what is in it: coreos.github.io/ignition, docs.k3s.io.
  def self.ignition(machine, secrets)
    files = [
      text("/etc/hostname", "#{machine.name}\n"),
      text("/etc/systemd/network/10-fleet.link", link(machine)),
      text("/etc/NetworkManager/system-connections/fleet.nmconnection", connection(machine), 0o600),
      text("/etc/rancher/k3s/config.yaml", k3s(machine, secrets), 0o600),
      download("/usr/local/bin/k3s"),
    ]
    {
      "ignition" => { "version" => "3.3.0" },
      "passwd" => { "users" => [{ "name" => "core", "sshAuthorizedKeys" => [secrets.public_key] }] },
      "storage" => { "files" => files },
      "systemd" => { "units" => [
        # fleet says when a machine reboots, and stages nothing where another updater is at work.
        { "name" => "zincati.service", "mask" => true },
        { "name" => "k3s.service", "enabled" => true, "contents" => unit(machine) },
      ] },
    }
  end

  # Everybody on this computer may read them: QEMU runs as a user of its own. They hold the word by which workers join.
  def self.write(folder, secrets)
    FileUtils.mkdir_p(folder)
    MACHINES.to_h do |machine|
      path = File.join(folder, "#{machine.name}.ign")
      File.write(path, JSON.generate(ignition(machine, secrets)), perm: 0o644)
      [machine.name, path]
    end
  end

  def self.text(path, content, mode = 0o644)
    source = "data:;base64,#{Base64.strict_encode64(content)}"
    { "path" => path, "mode" => mode, "overwrite" => true, "contents" => { "source" => source } }
  end

  def self.download(path)
    version = K3S[:version].sub("+", "%2B")
    source = "https://github.com/k3s-io/k3s/releases/download/#{version}/k3s"
    hash = "sha256-#{K3S[:sha256]}"
    { "path" => path, "mode" => 0o755, "contents" => { "source" => source, "verification" => { "hash" => hash } } }
  end

  def self.link(machine)
    "[Match]\nMACAddress=#{machine.mac(':')}\n\n[Link]\nName=#{CARD}\n"
  end

  def self.connection(machine)
    "[connection]\nid=fleet\ntype=ethernet\ninterface-name=#{CARD}\n\n" \
      "[ipv4]\nmethod=manual\naddress1=#{machine.address}/24\n\n[ipv6]\nmethod=disabled\n"
  end

  def self.k3s(machine, secrets)
    settings = {
      "token" => secrets.token,
      "node-name" => machine.name,
      "node-ip" => machine.address,
      "flannel-iface" => CARD,
      "node-label" => ["fleet.internal/pool=#{machine.pool}", "topology.kubernetes.io/zone=#{machine.zone}"],
    }
    if machine.control?
      settings["tls-san"] = [machine.address]
      settings["disable"] = %w[traefik servicelb]
    else
      settings["server"] = "https://#{MACHINES.find(&:control?).address}:6443"
    end
    "#{JSON.pretty_generate(settings)}\n" # JSON is YAML
  end

  def self.unit(machine)
    <<~UNIT
      [Unit]
      Description=k3s
      Wants=network-online.target
      After=network-online.target

      [Service]
      Type=notify
      ExecStart=/usr/local/bin/k3s #{machine.control? ? 'server' : 'agent'}
      KillMode=process
      Delegate=yes
      LimitNOFILE=1048576
      TasksMax=infinity
      TimeoutStartSec=0
      Restart=always
      RestartSec=5s

      [Install]
      WantedBy=multi-user.target
    UNIT
  end
end

if $PROGRAM_NAME == __FILE__
  folder = ARGV.fetch(0) { abort "which folder? ruby machines.rb FOLDER" }
  Fleet.write(folder, Fleet::Secrets.new(File.join(folder, "secrets"))).each_value { |path| puts path }
end
