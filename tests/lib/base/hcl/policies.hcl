acl = "write"
operator = "read"
mesh = "write"
agent "node-1" { policy = "write" }
agent_prefix "" { policy = "read" }
key "config/flag" { policy = "deny" }
key_prefix "" { policy = "list" }
key_prefix "config/" {
  policy = "write"
}
node_prefix "" { policy = "read" }
node "db-1" { policy = "write" }
service "web" {
  policy = "write"
  intentions = "read"
}
service "web-sidecar-proxy" { policy = "write" }
service_prefix "" { policy = "read" }
session_prefix "" { policy = "write" }
query "" { policy = "read" }
event "deploy" { policy = "write" }
namespace_prefix "" {
  service_prefix "" { policy = "read" }
  node_prefix "" { policy = "read" }
}
