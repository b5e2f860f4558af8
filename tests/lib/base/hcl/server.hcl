# A server of three, with everything that is usually set.
datacenter = "dc1"
primary_datacenter = "dc1"
node_name  = "server-1"
data_dir   = "/var/lib/consul"
log_level  = "INFO"
server           = true
bootstrap_expect = 3
retry_join = ["10.0.0.1", "10.0.0.2",
  "10.0.0.3", // the last comma may stay
]
bind_addr = "{{ GetInterfaceIP \"eth0\" }}"

ui_config {
  enabled = true
}

addresses {
  http = "127.0.0.1"
  grpc = "0.0.0.0"
}

ports = {
  http     = 8500, https = 8501
  grpc_tls = 8503
  serf_lan = -1
}

tls {
  defaults {
    ca_file         = "/etc/consul/ca.pem"
    cert_file       = "/etc/consul/server.pem"
    key_file        = "/etc/consul/server-key.pem"
    verify_incoming = true
    verify_outgoing = true
  }
  internal_rpc { verify_server_hostname = true }
}

/* Access control is on and denies
   what nothing allows. */
acl {
  enabled        = true
  default_policy = "deny"
  enable_token_persistence = true
  tokens {
    initial_management = "3f2b0c5e-55a8-4f0b-8f0a-8f8f4be80b3d"
    agent = "8f6d0a52-4e3c-4d4d-9f3c-6b4f2c1c9c1d"
  }
}

audit {
  enabled = true
  sink "main file" {
    type   = "file"
    format = "json"
    path   = "/var/log/consul/audit.json"
    delivery_guarantee = "best-effort"
    rotate_duration    = "24h"
    rotate_max_files   = 15
    rotate_bytes       = 25165824
  }
}

limits {
  http_max_conns_per_client = 0x100
  rpc_rate = 1.5e3
  mode = 0755
}
telemetry {
  disable_hostname = false
  prefix_filter = ["+consul.raft.apply", "-consul.http"]
}
