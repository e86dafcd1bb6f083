{#- Quantities and prices below zero are a producer's fault; null is not judged here. -#}
{% test not_negative(model, columns, key) %}
{{ config(severity=env_var('QUALITY_SEVERITY', 'error')) }}
select {{ (key + columns) | unique | join(', ') }}
from {{ model }}
where {% for column in columns %}{{ column }} < 0{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
