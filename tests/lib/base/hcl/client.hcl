"server" = false
"node_meta" { rack = "r-12", "build.id" = "42" }
retry_join = [ "provider=aws tag_key=consul tag_value=server" ]

service {
  name = "web"
  id   = "web-1"
  port = 8080
  tags = ["v1", "blue"]
  meta = { version = "1.0" }
  check {
    id       = "alive"
    http     = "http://localhost:8080/health"
    interval = "10s"
    header   = { "x-probe" = ["a", "b"] }
  }
  connect {
    sidecar_service {
      proxy {
        upstreams = [
          { destination_name = "api", local_bind_port = 5000 },
          {
            destination_name = "db"
            local_bind_port = 5001
            config { connect_timeout_ms = 1000 }
          },
        ]
        upstreams {
          destination_name = "cache"
          local_bind_port = 5002
        }
      }
    }
  }
}
service {
  name = "api"
  checks = [ { tcp = "localhost:9000", interval = "5s" } ]
}
check { id = "disk", args = ["/bin/sh", "-c", "df -h | awk '{ print $5 }'"], interval = "1m" }

watches = [
  { type = "key", key = "foo/bar", handler_type = "script", args = ["/bin/reload", "${HOME}"] },
]
config_entries {
  bootstrap = [
    {
      kind = "proxy-defaults"
      name = "global"
      config { protocol = "http" }
    }
  ]
  bootstrap {
    kind = "service-intentions"
    name = "api"
    sources = [ { name = "web", action = "allow" }, ]
  }
}
