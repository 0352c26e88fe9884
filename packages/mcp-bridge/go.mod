module kubechain.humanlayer.dev/mcp-bridge

go 1.25
