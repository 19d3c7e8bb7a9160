{{/* Namespace of the controller and of its Lease, whatever the release's is: the command line looks there. */}}
{{- define "fleet.namespace" -}}fleet-system{{- end }}

{{- define "fleet.labels" -}}
app.kubernetes.io/part-of: fleet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Helm gives every object app.kubernetes.io/managed-by itself: that label is not set here. */}}
{{- define "fleet.controllerLabels" -}}
app.kubernetes.io/name: fleet-controller
{{- end }}

{{- define "fleet.agentLabels" -}}
app.kubernetes.io/name: fleet-agent
{{- end }}

{{- define "fleet.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "fleet.apiServer" -}}
{{- with .Values.apiServer }}
{{- if .host }}
- {name: KUBERNETES_SERVICE_HOST, value: {{ .host | quote }}}
- {name: KUBERNETES_SERVICE_PORT, value: {{ .port | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Level of Pod Security admission for the controller's namespace: agents in it need more. */}}
{{- define "fleet.podSecurity" -}}
{{- if and .Values.agent.enabled (eq .Values.agent.namespace (include "fleet.namespace" .)) -}}
privileged
{{- else -}}
restricted
{{- end }}
{{- end }}

{{/* Rule for these ports: to the addresses if there are any, and otherwise to all. */}}
{{- define "fleet.egress" -}}
- ports:
  {{- range .ports }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
  {{- with .cidrs }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "fleet.egressToNames" -}}
- to:
  - namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}
  ports:
  {{- range .ports }}
  - {protocol: UDP, port: {{ . }}}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end }}

{{/* Refuses values that would make an installation that cannot work, all of them at once. */}}
{{- define "fleet.check" -}}
{{- $wrong := list }}
{{- with .Values.controller }}
{{- if and (gt (int .replicas) 1) (not .database.secret) }}
{{- $wrong = append $wrong (printf "controller.replicas is %d, and SQLite is for one: name the Secret of a PostgreSQL in controller.database.secret, or set controller.replicas to 1" (int .replicas)) }}
{{- end }}
{{- if and (eq .command "run") (not .policyConfigMap) }}
{{- $wrong = append $wrong "controller.command is run, which needs a policy: name the ConfigMap of a fleet.yaml in controller.policyConfigMap" }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled .Values.monitoring.serviceMonitor.enabled (not .Values.networkPolicy.metricsFrom) }}
{{- $wrong = append $wrong "monitoring.serviceMonitor.enabled is true, and no network policy lets Prometheus in: name its pods in networkPolicy.metricsFrom" }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\n- %s\n" (join "\n- " $wrong)) }}
{{- end }}
{{- end }}
