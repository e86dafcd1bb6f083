{% test never_null(model, columns, key) %}
select {{ (key + columns) | unique | join(', ') }}
from {{ model }}
where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
